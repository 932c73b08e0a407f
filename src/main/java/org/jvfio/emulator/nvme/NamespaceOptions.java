package org.jvfio.emulator.nvme;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.MachineOptions;
import org.jvfio.kernel.FileErrors;

/**
 * A namespace of an {@link EmulatedNvme}: its number, its medium and the format of its blocks. Immutable.
 *
 * <pre>{@code
 * NamespaceOptions.ofMemory(64 << 20).id(5).blockBytes(4096).metadataBytes(8).build()
 * }</pre>
 */
public final class NamespaceOptions {
    private static final int MAX_PROTECTION = 3;

    private final int id;
    private final long bytes;
    private final @Nullable Path image;
    private final BlockFormat format;
    private final boolean extended;
    private final int protection;
    private final CommandSet commandSet;
    private final boolean attached;
    private final CopyLimits copyLimits;
    private final boolean writeProtected;

    /**
     * The limits of the Copy command in a namespace.
     *
     * @param rangeBlocks maximum blocks of a source range (MSSRL), 0 to 65535
     * @param blocks maximum blocks of a command (MCL), at least 0
     * @param ranges maximum source ranges of a command (MSRC + 1), 1 to 256
     */
    public record CopyLimits(int rangeBlocks, int blocks, int ranges) {
        /** 128 blocks in up to 128 ranges. */
        public static final CopyLimits DEFAULT = new CopyLimits(128, 128, 128);

        private static final int MAX_RANGE_BLOCKS = 65535;
        private static final int MAX_RANGES = 256;

        public CopyLimits {
            if (rangeBlocks < 0 || rangeBlocks > MAX_RANGE_BLOCKS || blocks < 0 || ranges < 1 || ranges > MAX_RANGES) {
                throw new IllegalArgumentException(
                        "limits of Copy: %d blocks in a range (0 to 65535), %d in all (from 0), %d ranges (1 to 256)"
                                .formatted(rangeBlocks, blocks, ranges));
            }
        }
    }

    private NamespaceOptions(Builder from) {
        id = from.id;
        bytes = from.bytes;
        image = from.image;
        format = BlockFormat.of(from.blockBytes, from.metadataBytes);
        extended = from.extended;
        protection = from.protection;
        commandSet = from.commandSet;
        attached = from.attached;
        copyLimits = from.copyLimits;
        writeProtected = from.writeProtected;
        requireWholeBlocks();
        if (format.blocks(bytes) < 1) {
            throw new IllegalArgumentException("a namespace of %s is smaller than one block of %s"
                    .formatted(MachineOptions.sizeText(bytes), format));
        }
        if (protection != 0 && format.metadataBytes() < BlockFormat.PROTECTION_BYTES) {
            throw new IllegalArgumentException("protection information takes 8 bytes of metadata, and a block has %d"
                    .formatted(format.metadataBytes()));
        }
    }

    /** Requires an image of whole blocks, with metadata or, as other programs make images, without. */
    private void requireWholeBlocks() {
        int data = 1 << format.shift();
        boolean whole = bytes % data == 0 || bytes % (data + format.metadataBytes()) == 0;
        if (image != null && (!whole || bytes == 0)) {
            throw new IllegalArgumentException(
                    "the file %s is no image of a namespace: its %d bytes are not whole blocks of %s"
                            .formatted(image, bytes, format));
        }
    }

    /**
     * A namespace in memory. Only written parts use memory.
     *
     * @param bytes the size of the medium, which holds data and metadata: from one block to 16 TiB; what is left of
     *     the last block is not used
     */
    public static Builder ofMemory(long bytes) {
        if (bytes > MemoryStore.MAX_BYTES) {
            throw new IllegalArgumentException("a namespace of %s in memory: the maximum is %s"
                    .formatted(MachineOptions.sizeText(bytes), MachineOptions.sizeText(MemoryStore.MAX_BYTES)));
        }
        return new Builder(bytes, null);
    }

    /**
     * A namespace that a raw image file backs: the file's size is the medium's, data comes first and metadata after
     * all data, and other programs see what is written. Writing zeros keeps a sparse file sparse; deallocated blocks
     * keep their data, and Identify does not report what they read (DLFEAT). Controllers of one process may share an
     * image; another process may not use it, unless both only read. A file that this process may not write makes a
     * namespace that is {@linkplain Builder#writeProtected write protected}.
     *
     * @param image a readable file of at least one block, and of whole blocks
     * @throws IllegalArgumentException if there is no such file, it cannot be read, or it is not a file of the default
     *     file system
     */
    public static Builder ofImage(Path image) {
        try {
            BasicFileAttributes attributes = Files.readAttributes(image, BasicFileAttributes.class);
            if (!attributes.isRegularFile()) {
                throw unusable(image, attributes.isDirectory() ? FileErrors.DIRECTORY : "it is not a regular file");
            }
            if (!image.getFileSystem().equals(FileSystems.getDefault())) {
                throw unusable(image, "it is not a file of the default file system");
            }
            if (!Files.isReadable(image)) {
                throw new AccessDeniedException(image.toString());
            }
            return new Builder(attributes.size(), image).writeProtected(!Files.isWritable(image));
        } catch (NoSuchFileException _) {
            throw new IllegalArgumentException("there is no image " + image);
        } catch (IOException e) {
            throw unusable(image, FileErrors.reason(e));
        }
    }

    private static IllegalArgumentException unusable(Path image, String reason) {
        return new IllegalArgumentException("the image %s cannot be used: %s".formatted(image, reason));
    }

    /** The namespace identifier; 0 for the lowest one that no other namespace has. */
    int id() {
        return id;
    }

    long bytes() {
        return bytes;
    }

    @Nullable
    Path image() {
        return image;
    }

    Store open() {
        Path file = image;
        return file == null ? new MemoryStore(bytes) : new ImageStore(file, bytes, !writeProtected);
    }

    BlockFormat format() {
        return format;
    }

    /** Whether the host may only read it. */
    boolean isWriteProtected() {
        return writeProtected;
    }

    boolean isExtended() {
        return extended;
    }

    int protection() {
        return protection;
    }

    CommandSet commandSet() {
        return commandSet;
    }

    boolean isAttached() {
        return attached;
    }

    CopyLimits copyLimits() {
        return copyLimits;
    }

    /** Builds {@link NamespaceOptions}. Each method checks its argument and returns this builder. */
    public static final class Builder {
        private final long bytes;
        private final @Nullable Path image;
        private int id;
        private int blockBytes = 512;
        private int metadataBytes;
        private boolean extended;
        private int protection;
        private CommandSet commandSet = CommandSet.NVM;
        private boolean attached = true;
        private CopyLimits copyLimits = CopyLimits.DEFAULT;
        private boolean writeProtected;

        private Builder(long bytes, @Nullable Path image) {
            this.bytes = bytes;
            this.image = image;
        }

        /**
         * Sets the namespace identifier; by default the lowest one that no other namespace has.
         *
         * @param number 1 to 256
         */
        public Builder id(int number) {
            NamespaceList.checkId(number);
            id = number;
            return this;
        }

        /** Sets the bytes of data in a block: 512 (the default) or 4096. */
        public Builder blockBytes(int count) {
            BlockFormat.checkBlockBytes(count);
            blockBytes = count;
            return this;
        }

        /** Sets the bytes of metadata of a block: 0 (the default), 8, 16 or 64. */
        public Builder metadataBytes(int count) {
            BlockFormat.checkMetadataBytes(count);
            metadataBytes = count;
            return this;
        }

        /** Transfers the metadata of a block after its data (extended LBA), not in a buffer of its own. */
        public Builder extended(boolean interleaved) {
            extended = interleaved;
            return this;
        }

        /**
         * Reports end-to-end protection information in the metadata. The emulated namespace fails commands that
         * transfer blocks with Invalid Protection Information.
         *
         * @param type 1 to 3; 0 (the default) for none
         */
        public Builder protection(int type) {
            if (type < 0 || type > MAX_PROTECTION) {
                throw new IllegalArgumentException(
                        "type of protection information: %d is not in the range 0 to 3".formatted(type));
            }
            protection = type;
            return this;
        }

        /** Sets the I/O command set; {@link CommandSet#NVM} by default. */
        public Builder commandSet(CommandSet set) {
            commandSet = set;
            return this;
        }

        /** Sets whether the namespace is attached to the controller at first; true by default. */
        public Builder attached(boolean isAttached) {
            attached = isAttached;
            return this;
        }

        /**
         * Write protects the namespace: Write, Write Zeroes, Copy, Format NVM and deallocation fail with Namespace is
         * Write Protected. An image is then only read. By default what may not be written is protected.
         */
        public Builder writeProtected(boolean isProtected) {
            writeProtected = isProtected;
            return this;
        }

        /** Sets the limits of the Copy command. */
        public Builder copyLimits(CopyLimits limits) {
            copyLimits = limits;
            return this;
        }

        /**
         * Builds the options.
         *
         * @throws IllegalArgumentException if the medium is smaller than one block, an image does not have whole
         *     blocks, or the metadata is too small for protection information
         */
        public NamespaceOptions build() {
            return new NamespaceOptions(this);
        }
    }
}
