package org.jvfio.observe.fault;

import java.util.EnumSet;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.regex.Pattern;

/**
 * Where a fault can occur: a kind of event, and what the event must match. What is empty matches everything.
 *
 * @param on the kind of event
 * @param request the request, of an ioctl
 * @param file the kind of file, of a call with a descriptor
 * @param device the address of the device, of an event in a device or a call on its descriptor
 * @param area the region, of {@code pread}, {@code pwrite} and accesses to registers
 * @param range what the event must overlap: the bus addresses of {@code VFIO_IOMMU_MAP_DMA}, {@code
 *     VFIO_IOMMU_UNMAP_DMA} and DMA, or the offsets in the region of {@code pread}, {@code pwrite} and accesses to
 *     registers
 * @param vector the vector of an interrupt, from 0; INTx is vector 0
 * @param size the size of the transfer in bytes
 * @param path the path, of {@code open}
 */
public record FaultPoint(
        On on,
        Optional<VfioRequest> request,
        Optional<FileKind> file,
        Optional<String> device,
        Optional<DeviceArea> area,
        Optional<Range> range,
        OptionalInt vector,
        OptionalLong size,
        Optional<String> path) {
    private static final Pattern ADDRESS = Pattern.compile("[0-9a-f]{4}:[0-9a-f]{2}:[0-1][0-9a-f]\\.[0-7]");

    /** A kind of event: a system call, or something that an emulated device does. */
    public enum On {
        /** {@code open(2)}. */
        OPEN,
        /** {@code close(2)}. */
        CLOSE,
        /** {@code ioctl(2)}. */
        IOCTL,
        /** {@code mmap(2)}. */
        MMAP,
        /** {@code munmap(2)}. */
        MUNMAP,
        /** {@code pread(2)}, such as a read of a BAR that is not mapped. */
        PREAD,
        /** {@code pwrite(2)}. */
        PWRITE,
        /** {@code read(2)}, such as of an eventfd. */
        READ,
        /** {@code write(2)}. */
        WRITE,
        /** {@code eventfd(2)}. */
        EVENTFD,
        /** {@code poll(2)}. */
        POLL,
        /** A device sends a message, or asserts INTx. */
        INTERRUPT,
        /** A device reads memory. */
        DMA_READ,
        /** A device writes memory. */
        DMA_WRITE,
        /** The driver reads a register of a device. */
        REGISTER_READ,
        /** The driver writes a register of a device. */
        REGISTER_WRITE;

        private static final Set<On> IN_DEVICE = EnumSet.range(INTERRUPT, REGISTER_WRITE);
        private static final Set<On> DMA = EnumSet.of(DMA_READ, DMA_WRITE);
        private static final Set<On> REGISTERS = EnumSet.of(REGISTER_READ, REGISTER_WRITE);
        private static final Set<On> POSITIONED = EnumSet.of(PREAD, PWRITE);
        private static final Set<On> STREAMS = EnumSet.of(READ, WRITE);

        /** Whether it happens in an emulated device, and not in a system call. */
        public boolean isInDevice() {
            return IN_DEVICE.contains(this);
        }

        boolean isDma() {
            return DMA.contains(this);
        }

        boolean isRegister() {
            return REGISTERS.contains(this);
        }

        boolean isPositioned() {
            return POSITIONED.contains(this);
        }

        /** Whether it transfers data that can be cut short. */
        boolean isTransfer() {
            return isPositioned() || STREAMS.contains(this);
        }

        boolean hasFile() {
            return isTransfer() || this == IOCTL || this == CLOSE;
        }
    }

    /**
     * A range of bus addresses or offsets; addresses are unsigned.
     *
     * @param first the first
     * @param last the last, not below the first
     */
    public record Range(long first, long last) {
        /** Requires that it is not empty. */
        public Range {
            if (Long.compareUnsigned(last, first) < 0) {
                throw new IllegalArgumentException("the range 0x%x..0x%x ends before it begins".formatted(first, last));
            }
        }

        boolean overlaps(long from, long length) {
            return length > 0
                    && Long.compareUnsigned(from, last) <= 0
                    && Long.compareUnsigned(from + length - 1, first) >= 0;
        }

        /** As in {@code 0x1000..0x1fff}. */
        @Override
        public String toString() {
            return "0x%x..0x%x".formatted(first, last);
        }
    }

    /**
     * Requires that the kind of event has what is to be matched.
     *
     * @throws IllegalArgumentException if it does not, or a value is out of range
     */
    public FaultPoint {
        require(request.isEmpty() || on == On.IOCTL, on, "a request");
        require(file.isEmpty() || on.hasFile(), on, "a file");
        require(device.isEmpty() || on.isInDevice() || on.hasFile(), on, "a device");
        require(area.isEmpty() || on.isRegister() || on.isPositioned(), on, "a region");
        require(range.isEmpty() || hasRange(on, request), on, "a range");
        require(vector.isEmpty() || on == On.INTERRUPT, on, "a vector");
        require(size.isEmpty() || on.isTransfer() || on.isDma() || on.isRegister(), on, "a size");
        require(path.isEmpty() || on == On.OPEN, on, "a path");
        if (device.isPresent() && !ADDRESS.matcher(device.get()).matches()) {
            throw new IllegalArgumentException(
                    "'" + device.get() + "' is not a PCI address; write it like 0000:01:00.0");
        }
        if (request.isPresent() && file.isPresent() && request.get().file() != file.get()) {
            throw new IllegalArgumentException("%s is a call of %s, not of %s"
                    .formatted(request.get(), Words.of(request.get().file()), Words.of(file.get())));
        }
        if (vector.isPresent() && vector.getAsInt() < 0) {
            throw new IllegalArgumentException("vectors are counted from 0, not " + vector.getAsInt());
        }
        if (size.isPresent() && size.getAsLong() < 0) {
            throw new IllegalArgumentException("sizes are at least 0, not " + size.getAsLong());
        }
    }

    private static boolean hasRange(On on, Optional<VfioRequest> request) {
        boolean maps = request.filter(
                        each -> each == VfioRequest.VFIO_IOMMU_MAP_DMA || each == VfioRequest.VFIO_IOMMU_UNMAP_DMA)
                .isPresent();
        return maps || on.isDma() || on.isRegister() || on.isPositioned();
    }

    private static void require(boolean valid, On on, String what) {
        if (!valid) {
            throw new IllegalArgumentException("%s has no %s to match".formatted(Words.of(on), what.substring(2)));
        }
    }

    /** Any event of a kind. */
    public static FaultPoint on(On on) {
        return new FaultPoint(
                on,
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                Optional.empty(),
                OptionalInt.empty(),
                OptionalLong.empty(),
                Optional.empty());
    }

    /** Any ioctl with a request. */
    public static FaultPoint ioctl(VfioRequest request) {
        return on(On.IOCTL).request(request);
    }

    /** Matches a request only. */
    public FaultPoint request(VfioRequest only) {
        return new FaultPoint(on, Optional.of(only), file, device, area, range, vector, size, path);
    }

    /** Matches descriptors of a kind only. */
    public FaultPoint file(FileKind only) {
        return new FaultPoint(on, request, Optional.of(only), device, area, range, vector, size, path);
    }

    /**
     * Matches a device only.
     *
     * @param only domain, bus, device and function, for instance {@code 0000:01:00.0}
     */
    public FaultPoint device(String only) {
        return new FaultPoint(on, request, file, Optional.of(only), area, range, vector, size, path);
    }

    /** Matches a region only. */
    public FaultPoint area(DeviceArea only) {
        return new FaultPoint(on, request, file, device, Optional.of(only), range, vector, size, path);
    }

    /**
     * Matches what overlaps a range only.
     *
     * @param first the first bus address or offset
     * @param last the last one
     */
    public FaultPoint range(long first, long last) {
        return new FaultPoint(on, request, file, device, area, Optional.of(new Range(first, last)), vector, size, path);
    }

    /**
     * Matches a vector only.
     *
     * @param only from 0
     */
    public FaultPoint vector(int only) {
        return new FaultPoint(on, request, file, device, area, range, OptionalInt.of(only), size, path);
    }

    /**
     * Matches transfers of a size only.
     *
     * @param only bytes
     */
    public FaultPoint size(long only) {
        return new FaultPoint(on, request, file, device, area, range, vector, OptionalLong.of(only), path);
    }

    /** Matches a path only. */
    public FaultPoint path(String only) {
        return new FaultPoint(on, request, file, device, area, range, vector, size, Optional.of(only));
    }

    boolean matches(FaultEvent event) {
        return on == event.on()
                && (request.isEmpty() || event.is(request.get()))
                && (file.isEmpty() || file.get() == event.file())
                && (device.isEmpty() || device.get().equals(event.device()))
                && (area.isEmpty() || area.get() == event.area())
                && (range.isEmpty() || range.get().overlaps(event.from(), event.length()))
                && (vector.isEmpty() || vector.getAsInt() == event.vector())
                && (size.isEmpty() || size.getAsLong() == event.length())
                && (path.isEmpty() || path.get().equals(event.path()));
    }
}
