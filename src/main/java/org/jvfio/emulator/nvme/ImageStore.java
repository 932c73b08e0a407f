package org.jvfio.emulator.nvme;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import org.jvfio.emulator.device.DeviceBus;

/**
 * A namespace in a raw image file, which begins with block 0 and contains nothing else. Other readers of the file see
 * writes at once; a flush writes them to disk. The file stays open and locked as long as the device is in use.
 */
final class ImageStore implements Store {
    private static final int BUFFER_BYTES = 1 << 17;
    private static final MemorySegment ZEROS =
            MemorySegment.ofArray(new byte[BUFFER_BYTES]).asReadOnly();

    /** Keeps the image locked. */
    private final ImageFile image;

    private final long bytes;
    private final byte[] buffer = new byte[BUFFER_BYTES];
    private final MemorySegment buffered = MemorySegment.ofArray(buffer);

    /**
     * Opens an image.
     *
     * @param bytes the size of the namespace
     * @param writes whether it is written, too
     * @throws UncheckedIOException if it cannot be opened, or another process uses it
     */
    ImageStore(Path image, long bytes, boolean writes) {
        this.bytes = bytes;
        this.image = ImageFile.open(image, writes);
    }

    @Override
    public long bytes() {
        return bytes;
    }

    @Override
    public int read(long at, long length, DeviceBus bus, long busAddress) {
        for (long done = 0; done < length; ) {
            int run = (int) Math.min(BUFFER_BYTES, length - done);
            int status = fill(at + done, run);
            if (status != Status.SUCCESS) {
                return status;
            }
            if (!bus.writeMemory(busAddress + done, buffered, 0, run)) {
                return Status.DATA_TRANSFER_ERROR;
            }
            done += run;
        }
        return Status.SUCCESS;
    }

    private int fill(long at, int length) {
        try {
            image.read(at, buffer, length);
        } catch (IOException failure) {
            return Status.UNRECOVERED_READ_ERROR;
        }
        return Status.SUCCESS;
    }

    @Override
    public int write(long at, long length, DeviceBus bus, long busAddress) {
        for (long done = 0; done < length; ) {
            int run = (int) Math.min(BUFFER_BYTES, length - done);
            if (!bus.readMemory(busAddress + done, buffered, 0, run)) {
                return Status.DATA_TRANSFER_ERROR;
            }
            int status = drain(at + done, run);
            if (status != Status.SUCCESS) {
                return status;
            }
            done += run;
        }
        return Status.SUCCESS;
    }

    private int drain(long at, int length) {
        try {
            image.write(at, buffer, length);
        } catch (IOException failure) {
            return Status.WRITE_FAULT;
        }
        return Status.SUCCESS;
    }

    @Override
    public void readAhead(long at) {
        // Its data is in a file, which the operating system reads ahead.
    }

    @Override
    public int load(long at, MemorySegment into, long length) {
        for (long done = 0; done < length; ) {
            int run = (int) Math.min(BUFFER_BYTES, length - done);
            int status = fill(at + done, run);
            if (status != Status.SUCCESS) {
                return status;
            }
            MemorySegment.copy(buffered, 0, into, done, run);
            done += run;
        }
        return Status.SUCCESS;
    }

    @Override
    public int save(long at, MemorySegment from, long length) {
        for (long done = 0; done < length; ) {
            int run = (int) Math.min(BUFFER_BYTES, length - done);
            MemorySegment.copy(from, done, buffered, 0, run);
            int status = drain(at + done, run);
            if (status != Status.SUCCESS) {
                return status;
            }
            done += run;
        }
        return Status.SUCCESS;
    }

    /** Writes only to ranges that are not zeros yet, which keeps a sparse image sparse. */
    @Override
    public int zero(long at, long length) {
        for (long done = 0; done < length; ) {
            int run = (int) Math.min(BUFFER_BYTES, length - done);
            int status = fill(at + done, run);
            if (status == Status.SUCCESS && MemorySegment.mismatch(buffered, 0, run, ZEROS, 0, run) >= 0) {
                MemorySegment.copy(ZEROS, 0, buffered, 0, run);
                status = drain(at + done, run);
            }
            if (status != Status.SUCCESS) {
                return status;
            }
            done += run;
        }
        return Status.SUCCESS;
    }

    /** Java cannot punch a hole in a file, and writing zeros would use space instead of saving it. */
    @Override
    public void deallocate(long at, long length) {
        // The data stays as it is.
    }

    @Override
    public boolean deallocatedIsZero() {
        return false;
    }

    @Override
    public int flush() {
        try {
            image.sync();
        } catch (IOException failure) {
            return Status.WRITE_FAULT;
        }
        return Status.SUCCESS;
    }
}
