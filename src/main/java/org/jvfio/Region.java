package org.jvfio;

import static java.lang.foreign.ValueLayout.JAVA_BYTE;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;
import static java.lang.foreign.ValueLayout.JAVA_SHORT;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_FLAG_READ;
import static org.jvfio.uapi.vfio_h.VFIO_REGION_INFO_FLAG_WRITE;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A region of a device: a BAR, its configuration space or its expansion ROM. Each access is one access of the device, of the width of its
 * name, in the byte order of the region: little-endian, as PCI has it, unless {@link #withOrder} gives another.
 *
 * <p>Offsets are in bytes and must be multiples of the access's width: the kernel would split any other access into
 * smaller ones, which some devices answer with a machine check.
 *
 * <p><b>Paths.</b> Where the kernel lets a BAR be mapped, accesses are loads and stores of the processor; elsewhere, and of
 * the MSI-X table always, they are calls of the kernel ({@code pread}, {@code pwrite}). {@link #viaSyscalls} gives the region
 * with calls only. Both ways do the same, but for an 8-byte access, of which Linux before 6.11 makes two of 4 in a call.
 *
 * <p><b>Order.</b> POWER orders accesses of a device and of memory by itself neither with each other nor, a load after a
 * store, among themselves. Here every write is made after a full fence ({@code sync}): the device sees all that was stored
 * to memory before it, as a doorbell needs. Every read is followed by one: what is loaded from memory after it is not older.
 * So accesses of a thread happen in the order of the program. What a device writes to memory is another thing: a driver that
 * sees a completion's phase bit there needs {@link java.lang.invoke.VarHandle#fullFence} before it reads the rest.
 *
 * <p><b>Errors.</b> A device that is gone, or whose PE is frozen, answers all ones: {@link Device#isFrozen} tells. A device
 * that is disabled, in a low power state, or was reset and not enabled since, is a {@link VfioException} on either path.
 * All accesses throw that too if the offset is outside or misaligned or the kernel refuses, and {@link
 * IllegalStateException} if the device is closed.
 */
public final class Region {
    private static final VarHandle BYTE = JAVA_BYTE.varHandle();
    private static final VarHandle SHORT_LITTLE =
            JAVA_SHORT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
    private static final VarHandle SHORT_BIG =
            JAVA_SHORT.withOrder(ByteOrder.BIG_ENDIAN).varHandle();
    private static final VarHandle INT_LITTLE =
            JAVA_INT.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
    private static final VarHandle INT_BIG =
            JAVA_INT.withOrder(ByteOrder.BIG_ENDIAN).varHandle();
    private static final VarHandle LONG_LITTLE =
            JAVA_LONG.withOrder(ByteOrder.LITTLE_ENDIAN).varHandle();
    private static final VarHandle LONG_BIG =
            JAVA_LONG.withOrder(ByteOrder.BIG_ENDIAN).varHandle();
    // What calls read into and write from, 1, 2, 4 and 8 bytes: of each thread its own, so that no access allocates.
    private static final ThreadLocal<MemorySegment[]> BUFFERS = ThreadLocal.withInitial(Region::buffers);

    private final Device device;
    private final Descriptor descriptor;
    private final String name;
    private final RegionInfo info;
    private final @Nullable BarMapping mapping;
    private final ByteOrder order;

    Region(
            Device device,
            Descriptor descriptor,
            String name,
            RegionInfo info,
            @Nullable BarMapping mapping,
            ByteOrder order) {
        this.device = device;
        this.descriptor = descriptor;
        this.name = name;
        this.info = info;
        this.mapping = mapping;
        this.order = order;
    }

    private static MemorySegment[] buffers() {
        MemorySegment widest = Arena.ofAuto().allocate(Long.BYTES, Long.BYTES);
        return new MemorySegment[] {widest.asSlice(0, 1), widest.asSlice(0, 2), widest.asSlice(0, 4), widest};
    }

    /** The same region, accessed in a byte order. */
    public Region withOrder(ByteOrder byteOrder) {
        return new Region(device, descriptor, name, info, mapping, byteOrder);
    }

    /** The same region, accessed by calls of the kernel alone. */
    public Region viaSyscalls() {
        return new Region(device, descriptor, name, info, null, order);
    }

    /** Whether accesses of it, or of parts of it, are loads and stores. */
    public boolean isMapped() {
        return mapping != null;
    }

    /** Whether it can be read. */
    public boolean isReadable() {
        return info.allows(VFIO_REGION_INFO_FLAG_READ);
    }

    /** Whether it can be written. */
    public boolean isWritable() {
        return info.allows(VFIO_REGION_INFO_FLAG_WRITE);
    }

    /** What the kernel lets be mapped of it: nothing, all of it, or parts ({@code VFIO_REGION_INFO_CAP_SPARSE_MMAP}). */
    public List<RegionArea> mappableAreas() {
        return info.mappable();
    }

    /** Whether the MSI-X table is in it and could be mapped ({@code VFIO_REGION_INFO_CAP_MSIX_MAPPABLE}). */
    public boolean isMsixMappable() {
        return info.msixMappable();
    }

    /**
     * The memory that a part of the region is mapped at, for loads and stores without the checks and fences of this class.
     * It lives until the device is closed.
     *
     * <p><b>The risk is the caller's.</b> An access while the device is disabled, in a low power state or gone is a {@code
     * SIGBUS}: the JVM throws an {@link InternalError}, but in compiled code perhaps only at a later instruction, after what
     * was loaded (anything at all) has been used. An access of a width that the device does not take may be a machine check,
     * which ends the system. Plain accesses may be split, merged or left out by the compiler: use a {@link VarHandle} in
     * opaque mode, and fences.
     *
     * @param offset bytes from the region's beginning
     * @param size bytes
     * @throws VfioException if that part is not mapped, or the MSI-X table is in it
     * @throws IllegalStateException if the device is closed
     */
    public MemorySegment unsafeSegment(long offset, long size) {
        descriptor.requireOpen();
        BarMapping.Part part = mapping == null ? null : mapping.find(offset, size);
        if (part == null) {
            throw new VfioException(
                    "give the memory of 0x%x bytes at 0x%x of %s".formatted(size, offset, name),
                    mapping == null
                            ? "the region is not mapped"
                            : "it is outside of what is mapped, or the MSI-X table is in it",
                    "see mappableAreas, or use reads and writes");
        }
        return part.memory().asSlice(offset - part.area().offset(), size);
    }

    /** The byte order of its accesses. */
    public ByteOrder order() {
        return order;
    }

    /** Its size in bytes. */
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
     * Copies bytes as they are, with calls of the kernel, which makes them of the largest aligned accesses: for what has no side
     * effects, such as a ROM.
     *
     * @param offset bytes from the region's beginning, at any alignment
     * @param bytes how many; with the offset at most the region's size
     */
    public byte[] readBytes(long offset, int bytes) {
        String access = "read " + bytes + " bytes at 0x%x of %s".formatted(offset, name);
        if (bytes < 0 || offset < 0 || bytes > info.size() - offset) {
            throw new VfioException(
                    access,
                    "the region has %d bytes".formatted(info.size()),
                    "read no more than there is behind the offset");
        }
        requireAllowed(access, VFIO_REGION_INFO_FLAG_READ);
        if (info.isRom()) {
            requireDecoding(access);
        }
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment buffer = arena.allocate(bytes, Long.BYTES);
            for (long done = 0; done < bytes; ) {
                long answer = descriptor.pread(buffer.asSlice(done), info.fileOffset() + offset + done);
                if (answer <= 0 || answer > bytes - done) {
                    throw notWhole(access, "read", bytes - done, offset + done, answer);
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
     * An event that has the kernel write to a register whenever it is signalled, by any thread or by the kernel itself. It is
     * closed with the device. There is one for each offset, width and value.
     *
     * @param offset bytes from the region's beginning, a multiple of the width; not in the MSI-X table
     * @param width bytes: 1, 2, 4 or 8
     * @param value is written in the region's byte order
     * @throws VfioException if it is no register of a BAR, there is such an event, or the kernel refuses
     * @throws IllegalStateException if the device is closed
     */
    public EventFd ioEventFd(long offset, int width, long value) {
        if (width != Byte.BYTES && width != Short.BYTES && width != Integer.BYTES && width != Long.BYTES) {
            throw new VfioException(
                    asked("write by an event", offset, width), "registers have 1, 2, 4 or 8 bytes", "use such a width");
        }
        require("write by an event", offset, width, VFIO_REGION_INFO_FLAG_WRITE);
        long shifted = value << ((Long.BYTES - width) * Byte.SIZE);
        long lowestFirst = order == ByteOrder.LITTLE_ENDIAN
                ? shifted >>> ((Long.BYTES - width) * Byte.SIZE)
                : Long.reverseBytes(shifted);
        return device.eventOf(
                new IoEvent(info.fileOffset() + offset, width, lowestFirst), asked("write by an event", offset, width));
    }

    private long read(long offset, int width) {
        require("read", offset, width, VFIO_REGION_INFO_FLAG_READ);
        BarMapping.Part part = mapping == null ? null : mapping.find(offset, width);
        if (part != null) {
            return load(part.memory(), offset, offset - part.area().offset(), width);
        }
        MemorySegment buffer = BUFFERS.get()[Integer.numberOfTrailingZeros(width)];
        requireWhole("read", offset, width, descriptor.pread(buffer, info.fileOffset() + offset));
        return get(buffer, 0, width);
    }

    private void write(long offset, int width, long value) {
        require("write", offset, width, VFIO_REGION_INFO_FLAG_WRITE);
        BarMapping.Part part = mapping == null ? null : mapping.find(offset, width);
        if (part != null) {
            store(part.memory(), offset, offset - part.area().offset(), width, value);
            return;
        }
        MemorySegment buffer = BUFFERS.get()[Integer.numberOfTrailingZeros(width)];
        set(buffer, 0, width, value);
        requireWhole("write", offset, width, descriptor.pwrite(buffer, info.fileOffset() + offset));
    }

    /**
     * Loads from a mapped BAR. If the device is disabled it is a SIGBUS, of which the JVM makes an InternalError: at once in
     * interpreted code, but in compiled code only where that looks next whether anything is to be done, perhaps after the
     * method has returned what was never loaded. So it is made to look: it does whenever it comes back from a native method.
     */
    private long load(MemorySegment memory, long offset, long at, int width) {
        try {
            long value = get(memory, at, width);
            throwPendingFault();
            VarHandle.fullFence();
            return value;
        } catch (InternalError e) {
            throw fault("read", offset, width, e);
        } catch (IllegalStateException e) {
            throw closed(memory, e);
        }
    }

    /** Stores to a mapped BAR, and sees a fault as {@link #load} does. */
    private void store(MemorySegment memory, long offset, long at, int width, long value) {
        try {
            VarHandle.fullFence();
            set(memory, at, width, value);
            throwPendingFault();
        } catch (InternalError e) {
            throw fault("write", offset, width, e);
        } catch (IllegalStateException e) {
            throw closed(memory, e);
        }
    }

    /** Calls the cheapest native method of the JDK that enters the JVM. */
    private static void throwPendingFault() {
        if (Thread.holdsLock(BUFFERS)) {
            throw new AssertionError("nobody locks it");
        }
    }

    // Opaque, so that each is one access of the device that no compiler leaves out, repeats, merges or moves.
    private long get(MemorySegment memory, long at, int width) {
        boolean little = order == ByteOrder.LITTLE_ENDIAN;
        return switch (width) {
            case Byte.BYTES -> (byte) BYTE.getOpaque(memory, at);
            case Short.BYTES -> (short) (little ? SHORT_LITTLE : SHORT_BIG).getOpaque(memory, at);
            case Integer.BYTES -> (int) (little ? INT_LITTLE : INT_BIG).getOpaque(memory, at);
            default -> (long) (little ? LONG_LITTLE : LONG_BIG).getOpaque(memory, at);
        };
    }

    private void set(MemorySegment memory, long at, int width, long value) {
        boolean little = order == ByteOrder.LITTLE_ENDIAN;
        switch (width) {
            case Byte.BYTES -> BYTE.setOpaque(memory, at, (byte) value);
            case Short.BYTES -> (little ? SHORT_LITTLE : SHORT_BIG).setOpaque(memory, at, (short) value);
            case Integer.BYTES -> (little ? INT_LITTLE : INT_BIG).setOpaque(memory, at, (int) value);
            default -> (little ? LONG_LITTLE : LONG_BIG).setOpaque(memory, at, value);
        }
    }

    /** Why the device did not take an access. */
    private VfioException fault(String access, long offset, int width, InternalError error) {
        if (!String.valueOf(error.getMessage()).contains("unsafe memory access")) {
            throw error;
        }
        descriptor.requireOpen();
        Cause cause = device.whyBarsAreDead();
        return new VfioException(asked(access, offset, width), cause.reason(), cause.hint());
    }

    /** The memory is gone first, then the device. */
    private IllegalStateException closed(MemorySegment memory, IllegalStateException unmapped) {
        return memory.scope().isAlive() ? unmapped : new IllegalStateException(device + " is closed");
    }

    private void require(String access, long offset, int width, int flag) {
        if (!info.allows(flag)) {
            requireAllowed(asked(access, offset, width), flag);
        }
        if (offset < 0 || offset > info.size() - width) {
            throw new VfioException(
                    asked(access, offset, width),
                    "the region has " + ByteSize.format(info.size()),
                    "use an offset of at most 0x%x".formatted(info.size() - width));
        }
        if (offset % width != 0) {
            throw new VfioException(
                    asked(access, offset, width),
                    "the offset is not a multiple of " + width,
                    "make aligned accesses, as the kernel would split this one");
        }
        if (info.isRom()) {
            requireDecoding(asked(access, offset, width));
        }
    }

    private void requireAllowed(String asked, int flag) {
        if (info.allows(flag)) {
            return;
        }
        throw info.isRom()
                ? new VfioException(
                        asked,
                        "VFIO lets an expansion ROM be read only",
                        "program its flash memory by the device's own registers")
                : new VfioException(asked, "the region does not allow it", "see its flags");
    }

    /** The kernel would read the ROM of a device that does not answer, which is a machine check in the kernel. */
    private void requireDecoding(String asked) {
        device.whyMemoryIsOff().ifPresent(cause -> {
            throw new VfioException(asked, cause.reason(), cause.hint());
        });
    }

    private void requireWhole(String access, long offset, int width, long answer) {
        if (answer != width) {
            throw notWhole(asked(access, offset, width), access, width, offset, answer);
        }
    }

    private VfioException notWhole(String asked, String access, long bytes, long offset, long answer) {
        return VfioException.failed(
                asked,
                "p%s(%d bytes at 0x%x)".formatted(access, bytes, info.fileOffset() + offset),
                answer,
                VfioException.errnoOf(answer)
                        .map(errno -> info.isRom() ? KnownCauses.rom(errno) : KnownCauses.access(errno))
                        .orElseGet(Cause::unknown));
    }

    private String asked(String access, long offset, int width) {
        return "%s %d byte%s at 0x%x of %s".formatted(access, width, width == 1 ? "" : "s", offset, name);
    }

    /** Which region of which device it is. */
    @Override
    public String toString() {
        return name;
    }
}
