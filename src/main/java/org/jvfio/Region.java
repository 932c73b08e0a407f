package org.jvfio;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_FLAG_READ;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_FLAG_WRITE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Objects;
import java.util.function.Supplier;
import java.util.function.ToLongFunction;
import org.jspecify.annotations.Nullable;
import org.jvfio.VfioException.Kind;

/**
 * A region of a device: a BAR, its configuration space or its expansion ROM. Each access is one access of the device,
 * as wide as its name says, in the byte order of the region: little-endian, as in PCI, unless {@link #withOrder} sets
 * another.
 *
 * <p>Offsets are in bytes from the region's beginning. They must be multiples of the access's width: the kernel would
 * split another access into smaller ones, which is a machine check with some devices.
 *
 * <p><b>Registers.</b> The driver is responsible for the offset and the width of each access: neither this class nor
 * the kernel can know which ones a device answers. Where it does not answer, a real host gets a machine check, which
 * crashes it on powernv and hangs an LPAR.
 *
 * <p><b>Paths.</b> Where the kernel allows a BAR to be mapped, accesses are loads and stores; elsewhere, and always for
 * the MSI-X table, they are system calls ({@code pread}, {@code pwrite}). {@link #viaSyscalls} is the same region with
 * system calls alone. Both have the same effect, except that Linux before 6.11 splits an 8-byte access by system call
 * into two of 4.
 *
 * <p><b>Order.</b> POWER orders accesses of a device neither with accesses of memory nor, in the case of a load after a
 * store, with each other. Here a full fence ({@code sync}) precedes every write: the device sees all earlier stores to
 * memory, as a doorbell needs it. One precedes every read, too, which would otherwise overtake a write before it, and
 * one follows it: later loads from memory are not older. So the accesses of a thread happen in program order. Memory
 * that a device writes is not covered: a driver that has seen a completion's phase bit there needs {@link
 * VarHandle#fullFence} before it reads the rest.
 *
 * <p><b>Errors.</b> A device that is gone, or whose PE is frozen, reads as all ones: see {@link Device#isFrozen}. An
 * access of a device with disabled memory, in a low power state, or after a reset of its PE is a {@link VfioException}
 * on both paths. All accesses throw:
 *
 * <ul>
 *   <li>{@link IndexOutOfBoundsException} if they are not inside the region,
 *   <li>{@link IllegalArgumentException} if the offset is not a multiple of the width,
 *   <li>{@link VfioException} if the region cannot be read or written, or the kernel refuses,
 *   <li>{@link IllegalStateException} if the device is closed,
 *   <li>{@link org.jvfio.emulator.HostHazard} on the emulated kernel, if the device does not answer an access of this
 *       offset and width; on Linux this is the machine check.
 * </ul>
 */
public final class Region {
    private static final long ALL_ONES = -1;

    // Buffers of 1, 2, 4 and 8 bytes for system calls, one set for each thread, so that accesses do not allocate.
    private static final ThreadLocal<MemorySegment[]> BUFFERS = ThreadLocal.withInitial(Region::buffers);

    private final Regions regions;
    private final Descriptor descriptor;
    private final String name;
    private final RegionInfo info;
    private final @Nullable BarMapping mapping;
    private final ByteOrder order;
    private final boolean little;
    private final boolean checked;
    // The mapped parts, if they can be read, and written.
    private final @Nullable BarMapping loadable;
    private final @Nullable BarMapping storable;

    Region(
            Regions regions,
            Descriptor descriptor,
            String name,
            RegionInfo info,
            @Nullable BarMapping mapping,
            ByteOrder order,
            boolean checked) {
        this.regions = regions;
        this.descriptor = descriptor;
        this.name = name;
        this.info = info;
        this.mapping = mapping;
        this.order = order;
        this.little = order == ByteOrder.LITTLE_ENDIAN;
        this.checked = checked;
        this.loadable = isReadable() && !info.isRom() ? mapping : null;
        this.storable = isWritable() && !info.isRom() ? mapping : null;
    }

    private static MemorySegment[] buffers() {
        MemorySegment widest = Arena.ofAuto().allocate(Long.BYTES, Long.BYTES);
        return new MemorySegment[] {widest.asSlice(0, 1), widest.asSlice(0, 2), widest.asSlice(0, 4), widest};
    }

    /** The same region with accesses in another byte order. */
    public Region withOrder(ByteOrder byteOrder) {
        return new Region(
                regions, descriptor, name, info, mapping, Objects.requireNonNull(byteOrder, "byteOrder"), checked);
    }

    /** The same region with accesses by system calls alone. */
    public Region viaSyscalls() {
        return new Region(regions, descriptor, name, info, null, order, checked);
    }

    /**
     * The same region with reads that return all ones as they are. Reads of other regions that are BARs check, when a
     * register reads all ones, whether the device responds at all ({@link Device#condition}), and throw if it does not:
     * in that case a read costs a few system calls more.
     */
    public Region unchecked() {
        return new Region(regions, descriptor, name, info, mapping, order, false);
    }

    /** Whether accesses of the region, or of parts of it, are loads and stores. */
    public boolean isMapped() {
        return mapping != null;
    }

    /** Whether the region can be read ({@code VFIO_REGION_INFO_FLAG_READ}). */
    public boolean isReadable() {
        return info.allows(VFIO_REGION_INFO_FLAG_READ);
    }

    /** Whether the region can be written ({@code VFIO_REGION_INFO_FLAG_WRITE}). */
    public boolean isWritable() {
        return info.allows(VFIO_REGION_INFO_FLAG_WRITE);
    }

    /**
     * The parts that the kernel allows to be mapped: none, the whole, or some ({@code
     * VFIO_REGION_INFO_CAP_SPARSE_MMAP}).
     */
    public List<RegionArea> mappableAreas() {
        return info.mappable();
    }

    /**
     * Whether the kernel allows the MSI-X table in this region to be mapped ({@code
     * VFIO_REGION_INFO_CAP_MSIX_MAPPABLE}).
     */
    public boolean isMsixMappable() {
        return info.msixMappable();
    }

    /**
     * A part of the mapped region as memory, for loads and stores without the checks and fences of this class. It is
     * alive until the device is closed.
     *
     * <p><b>Unsafe.</b> An access while the device's memory is disabled, or the device is in a low power state or gone,
     * is a {@code SIGBUS}: the JVM throws an {@link InternalError}, in compiled code possibly at a later instruction,
     * after the value that was loaded (which is arbitrary) has been used. An access of a width that the device does not
     * support can be a machine check, which crashes the system. The compiler may split, merge or remove plain accesses:
     * use a {@link VarHandle} in opaque mode, and fences.
     *
     * @param offset bytes from the region's beginning
     * @param size bytes
     * @throws IndexOutOfBoundsException if the part is not inside the region
     * @throws VfioException if the part is not mapped, or contains a part of the MSI-X table
     * @throws IllegalStateException if the device is closed
     */
    public MemorySegment unsafeSegment(long offset, long size) {
        descriptor.requireOpen();
        requireInside(offset, size);
        BarMapping.Part part = mapping == null ? null : mapping.find(offset, size);
        if (part == null) {
            throw new VfioException(
                    Kind.UNSUPPORTED,
                    "return the memory of 0x%x bytes at 0x%x of %s".formatted(size, offset, name),
                    mapping == null
                            ? "the region is not mapped"
                            : "a part of it is not mapped, or belongs to the MSI-X table",
                    "see mappableAreas, or use reads and writes");
        }
        return part.memory().asSlice(offset - part.start(), size);
    }

    /** The byte order of accesses. */
    public ByteOrder order() {
        return order;
    }

    /** The size in bytes. */
    public long size() {
        return info.size();
    }

    /** Reads 1 byte. */
    public byte readByte(long offset) {
        return (byte) read(offset, Byte.BYTES);
    }

    /** Reads 2 bytes. */
    public short readShort(long offset) {
        return (short) read(offset, Short.BYTES);
    }

    /** Reads 4 bytes. */
    public int readInt(long offset) {
        return (int) read(offset, Integer.BYTES);
    }

    /** Reads 8 bytes. */
    public long readLong(long offset) {
        return read(offset, Long.BYTES);
    }

    /**
     * Copies bytes by system calls, which the kernel splits into the largest aligned accesses: for registers without
     * side effects, and the expansion ROM.
     *
     * @param offset bytes from the region's beginning, of any alignment
     * @param bytes the number of bytes, from 0
     * @throws IndexOutOfBoundsException if the bytes are not inside the region
     */
    public byte[] readBytes(long offset, int bytes) {
        requireInside(offset, bytes);
        requireAllowed("read", offset, bytes, VFIO_REGION_INFO_FLAG_READ);
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(bytes, Long.BYTES);
            for (long done = 0; done < bytes; ) {
                long answer = descriptor.pread(buffer.asSlice(done), info.fileOffset() + offset + done);
                if (answer <= 0 || answer > bytes - done) {
                    throw notWhole("read", offset + done, bytes - done, answer);
                }
                done += answer;
            }
            return buffer.toArray(JAVA_BYTE);
        }
    }

    /** Writes 1 byte. */
    public void writeByte(long offset, byte value) {
        write(offset, Byte.BYTES, value);
    }

    /** Writes 2 bytes. */
    public void writeShort(long offset, short value) {
        write(offset, Short.BYTES, value);
    }

    /** Writes 4 bytes. */
    public void writeInt(long offset, int value) {
        write(offset, Integer.BYTES, value);
    }

    /** Writes 8 bytes. */
    public void writeLong(long offset, long value) {
        write(offset, Long.BYTES, value);
    }

    /**
     * An eventfd at each signal of which the kernel writes a register ({@code VFIO_DEVICE_IOEVENTFD}); any thread or
     * the kernel itself may signal it. It is closed with the device. There can be one for each offset, width and value.
     *
     * @param offset bytes from the region's beginning, a multiple of the width; not in the MSI-X table
     * @param width 1, 2, 4 or 8 bytes
     * @param value the value that is written, in the region's byte order; bits above the width are ignored
     * @throws IllegalArgumentException if the width is another one, or the offset is not a multiple of it
     * @throws IndexOutOfBoundsException if the register is not inside the region
     * @throws VfioException if the region is no BAR, there is such an eventfd, or the kernel refuses
     * @throws IllegalStateException if the device is closed
     */
    public EventFd ioEventFd(long offset, int width, long value) {
        if (width != Byte.BYTES && width != Short.BYTES && width != Integer.BYTES && width != Long.BYTES) {
            throw new IllegalArgumentException("width " + width + ": a register has 1, 2, 4 or 8 bytes");
        }
        require("write by eventfd", offset, width, VFIO_REGION_INFO_FLAG_WRITE);
        long shifted = value << ((Long.BYTES - width) * Byte.SIZE);
        long lowestFirst = little ? shifted >>> ((Long.BYTES - width) * Byte.SIZE) : Long.reverseBytes(shifted);
        return regions.addIoEventFd(new IoEventWrite(
                "%d bytes at 0x%x of %s".formatted(width, offset, name),
                info.fileOffset() + offset,
                width,
                lowestFirst));
    }

    private long read(long offset, int width) {
        long value = readUnchecked(offset, width);
        if (value == ALL_ONES >>> (Long.SIZE - width * Byte.SIZE) && checked) {
            regions.diagnosis().requireResponse(mapping != null, () -> asked("read", offset, width));
        }
        return value;
    }

    private long readUnchecked(long offset, int width) {
        BarMapping mapped = loadable;
        if (mapped != null && offset < mapped.beginningBytes()) {
            try {
                return load(mapped.beginning(), offset, offset, width);
            } catch (IndexOutOfBoundsException | IllegalArgumentException _) {
                // It is not all in that part, or not aligned.
            }
        }
        return readElsewhere(offset, width);
    }

    private long readElsewhere(long offset, int width) {
        BarMapping.Part part = part(loadable, offset, width);
        if (part != null) {
            return load(part.memory(), offset - part.start(), offset, width);
        }
        require("read", offset, width, VFIO_REGION_INFO_FLAG_READ);
        MemorySegment buffer = BUFFERS.get()[Integer.numberOfTrailingZeros(width)];
        long answer = descriptor.pread(buffer, info.fileOffset() + offset);
        if (answer != width) {
            throw notWhole("read", offset, width, answer);
        }
        return OpaqueAccess.get(buffer, 0, width, little);
    }

    private void write(long offset, int width, long value) {
        BarMapping mapped = storable;
        if (mapped != null && offset < mapped.beginningBytes()) {
            try {
                store(mapped.beginning(), offset, offset, width, value);
                return;
            } catch (IndexOutOfBoundsException | IllegalArgumentException _) {
                // As in readUnchecked.
            }
        }
        writeElsewhere(offset, width, value);
    }

    private void writeElsewhere(long offset, int width, long value) {
        BarMapping.Part part = part(storable, offset, width);
        if (part != null) {
            store(part.memory(), offset - part.start(), offset, width, value);
            return;
        }
        require("write", offset, width, VFIO_REGION_INFO_FLAG_WRITE);
        MemorySegment buffer = BUFFERS.get()[Integer.numberOfTrailingZeros(width)];
        OpaqueAccess.set(buffer, 0, width, little, value);
        long answer = descriptor.pwrite(buffer, info.fileOffset() + offset);
        if (answer != width) {
            throw notWhole("write", offset, width, answer);
        }
        if (info.isConfig()) {
            regions.wroteConfig(offset, width, OpaqueAccess.get(buffer, 0, width, true));
        }
    }

    /** The mapped part that contains an aligned register; null if it is not mapped, or not aligned. */
    private static BarMapping.@Nullable Part part(@Nullable BarMapping mapped, long offset, int width) {
        return mapped == null || (offset & (width - 1)) != 0 ? null : mapped.find(offset, width);
    }

    /** Loads from a mapped BAR, of whose memory the register at {@code offset} is the one at {@code at}. */
    private long load(MemorySegment memory, long at, long offset, int width) {
        try {
            VarHandle.fullFence();
            long value = MappedAccess.load(memory, at, MappedAccess.kind(width, little));
            VarHandle.fullFence();
            return value;
        } catch (InternalError e) {
            throw fault(() -> asked("read", offset, width), e);
        } catch (IllegalStateException e) {
            throw closed(memory, e);
        }
    }

    /** Stores to a mapped BAR. */
    private void store(MemorySegment memory, long at, long offset, int width, long value) {
        try {
            VarHandle.fullFence();
            MappedAccess.store(memory, at, MappedAccess.kind(width, little), value);
        } catch (InternalError e) {
            throw fault(() -> asked("write", offset, width), e);
        } catch (IllegalStateException e) {
            throw closed(memory, e);
        }
    }

    /**
     * Makes many accesses with one check for faults, at their end: for a loop that polls a register, or for a dump of
     * many. An access then costs what the load or store itself costs, a fraction of one outside of a batch; the check
     * costs a native call.
     *
     * <p>If the device does not decode an access, this throws: no result of the function is returned. Until then the
     * function may have used arbitrary values that it has read. So it should only read, compute and write registers
     * without much effect, and end soon when a value makes no sense; and it must not catch {@link Error}s. Registers
     * that read all ones are returned as they are, as by {@link #unchecked}.
     *
     * <p>A full fence precedes the batch and follows it. Accesses within it have no fences between them: see {@link
     * RegisterBatch}. It allocates nothing once it is compiled with its function.
     *
     * @param accesses makes the accesses, in this thread, and returns a value of the caller's choice
     * @return that value
     * @throws VfioException if the device did not decode an access
     * @throws IllegalStateException if the device is closed
     */
    public long batch(ToLongFunction<? super RegisterBatch> accesses) {
        BarMapping.Part part = loadable != null && storable != null ? loadable.largest() : null;
        if (part == null) {
            descriptor.requireOpen();
            return accesses.applyAsLong(new RegisterBatch(this, null, 0, little));
        }
        try {
            VarHandle.fullFence();
            // A segment of its own, whose size the compiler need not load again at each access.
            MemorySegment memory = part.memory().asSlice(0);
            long result = checkedBatch(accesses, new RegisterBatch(this, memory, part.start(), little));
            VarHandle.fullFence();
            return result;
        } catch (InternalError e) {
            throw fault(() -> "access registers of " + name, e);
        } catch (IllegalStateException e) {
            throw closed(part.memory(), e);
        }
    }

    private static long checkedBatch(ToLongFunction<? super RegisterBatch> accesses, RegisterBatch batch) {
        long result;
        try {
            result = accesses.applyAsLong(batch);
        } catch (RuntimeException e) {
            try {
                MappedAccess.throwPendingFault();
            } catch (InternalError fault) {
                // Which may be why the function has failed.
                fault.addSuppressed(e);
                throw fault;
            }
            throw e;
        }
        MappedAccess.throwPendingFault();
        return result;
    }

    private VfioException fault(Supplier<String> operation, InternalError error) {
        if (!String.valueOf(error.getMessage()).contains("unsafe memory access")) {
            throw error;
        }
        descriptor.requireOpen();
        VfioException fault =
                new VfioException(operation.get(), regions.diagnosis().busError());
        for (Throwable consequence : error.getSuppressed()) {
            fault.addSuppressed(consequence);
        }
        return fault;
    }

    /** A device that is being closed unmaps its BARs before its descriptor is closed. */
    private IllegalStateException closed(MemorySegment memory, IllegalStateException unmapped) {
        return memory.scope().isAlive() ? unmapped : regions.closed();
    }

    private void require(String access, long offset, int width, int flag) {
        if (offset < 0 || offset > info.size() - width) {
            requireInside(offset, width);
        }
        if (offset % width != 0) {
            throw new IllegalArgumentException(
                    "%s: offset 0x%x is not a multiple of %d, and the kernel would split the access"
                            .formatted(name, offset, width));
        }
        if (!info.allows(flag) || info.isRom()) {
            requireAllowed(access, offset, width, flag);
        }
    }

    private void requireInside(long offset, long bytes) {
        if (bytes < 0) {
            throw new IllegalArgumentException("%s: %d bytes, a negative number".formatted(name, bytes));
        }
        if (offset < 0 || bytes > info.size() - offset) {
            throw new IndexOutOfBoundsException("%s: 0x%x bytes at offset 0x%x; the region has 0x%x bytes"
                    .formatted(name, bytes, offset, info.size()));
        }
    }

    private void requireAllowed(String access, long offset, long bytes, int flag) {
        if (!info.allows(flag)) {
            throw info.isRom()
                    ? new VfioException(
                            Kind.UNSUPPORTED,
                            asked(access, offset, bytes),
                            "an expansion ROM is read only in VFIO",
                            "program its flash memory through registers of the device")
                    : new VfioException(
                            Kind.UNSUPPORTED,
                            asked(access, offset, bytes),
                            "the kernel does not allow it for this region",
                            "see isReadable and isWritable");
        }
        if (info.isRom()) {
            // The kernel does not check that the device decodes the ROM; if it does not, the read is a machine check.
            regions.diagnosis().memoryDisabled().ifPresent(cause -> {
                throw new VfioException(asked(access, offset, bytes), cause);
            });
        }
    }

    private VfioException notWhole(String access, long offset, long bytes, long answer) {
        return VfioException.failed(
                asked(access, offset, bytes),
                "p%s(%d bytes at 0x%x)".formatted(access, bytes, info.fileOffset() + offset),
                answer,
                Cause.of(answer, info.isRom() ? KnownCauses::rom : KnownCauses::access));
    }

    private String asked(String access, long offset, long bytes) {
        return "%s %d byte%s at 0x%x of %s".formatted(access, bytes, bytes == 1 ? "" : "s", offset, name);
    }

    /** The region and its device, as in {@code BAR 0 of 0001:01:00.0}. */
    @Override
    public String toString() {
        return name;
    }
}
