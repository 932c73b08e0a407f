package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Objects;
import java.util.function.Supplier;
import java.util.function.ToIntBiFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;

/**
 * An open sysfs file that binds a driver to a device: {@code drivers/base/bus.c} and {@code dd.c}. A write passes a
 * device's address, or a driver's name.
 */
final class DriverFile extends OpenFile {
    private static final String BUS = "/sys/bus/pci/";
    private static final Pattern OVERRIDE = Pattern.compile(BUS + "devices/([^/]+)/driver_override");
    private static final Pattern BIND = Pattern.compile(BUS + "drivers/([^/]+)/(bind|unbind)");
    private static final Pattern UNBIND = Pattern.compile(BUS + "devices/([^/]+)/driver/unbind");
    static final Duration BETWEEN_REQUESTS = Duration.ofSeconds(10);
    private static final String PROBE = BUS + "drivers_probe";

    private static final int READ_BY_ALL = 0644;
    private static final int WRITE_ONLY = 0200;

    private final EmulatedHost host;
    private final Supplier<String> text;
    private final ToIntBiFunction<DriverFile, String> store;
    private long position;
    private @Nullable PciFunction wanted;

    private DriverFile(EmulatedHost host, Supplier<String> text, ToIntBiFunction<DriverFile, String> store) {
        this.host = host;
        this.text = text;
        this.store = store;
    }

    /** The file at a path, if it is one of these. */
    static @Nullable HostFile find(EmulatedHost host, String path) {
        Matcher override = OVERRIDE.matcher(path);
        Matcher bind = BIND.matcher(path);
        Matcher unbind = UNBIND.matcher(path);
        if (path.equals(PROBE)) {
            return writeOnly(host, (_, address) -> probe(host, address));
        }
        if (bind.matches()) {
            String name = bind.group(1);
            HostDriver driver = HostDriver.named(name);
            if (driver == null
                    || (driver == HostDriver.VFIO_PCI && !host.machine().vfioModule())) {
                return null;
            }
            return bind.group(2).equals("bind")
                    ? writeOnly(
                            host,
                            (_, address) -> drives(host, driver, name, address)
                                    ? bind(host, driver, address)
                                    : Errno.ENODEV.negated())
                    : writeOnly(
                            host,
                            (file, address) -> drives(host, driver, name, address)
                                    ? file.unbind(driver, address)
                                    : Errno.ENODEV.negated());
        }
        PciFunction function = null;
        if (override.matches()) {
            function = host.functions().get(override.group(1));
        } else if (unbind.matches()) {
            function = host.functions().get(unbind.group(1));
        }
        if (function == null) {
            return null;
        }
        PciFunction device = function;
        if (override.matches()) {
            Supplier<String> text = () -> overrideText(device);
            return new HostFile(
                    READ_BY_ALL, text, () -> new DriverFile(host, text, (_, name) -> override(device, name)));
        }
        HostDriver driver = device.driver();
        return driver == HostDriver.NONE ? null : writeOnly(host, (file, address) -> file.unbind(driver, address));
    }

    private static HostFile writeOnly(EmulatedHost host, ToIntBiFunction<DriverFile, String> store) {
        return new HostFile(WRITE_ONLY, null, () -> new DriverFile(host, () -> "", store));
    }

    /** Whether a driver of this name is for a device. */
    private static boolean drives(EmulatedHost host, HostDriver driver, String name, String text) {
        PciFunction function = host.functions().get(text.strip());
        return function != null
                && driver.sysfsName(function.identity().classCode()).equals(name);
    }

    /** What the file says: the name of the only driver that may bind. */
    static String overrideText(PciFunction function) {
        return Objects.requireNonNullElse(function.driverOverride(), "(null)") + "\n";
    }

    private static int override(PciFunction function, String text) {
        int end = text.indexOf('\n');
        String name = end < 0 ? text : text.substring(0, end);
        function.driverOverride(name.isEmpty() ? null : name);
        return 0;
    }

    /** {@code bind_store} and {@code device_driver_attach}. */
    private static int bind(EmulatedHost host, HostDriver driver, String text) {
        PciFunction function = host.functions().get(text.strip());
        if (function == null || !function.takes(driver)) {
            return Errno.ENODEV.negated();
        }
        if (function.driver() != HostDriver.NONE) {
            return Errno.EBUSY.negated();
        }
        if (driver == HostDriver.VFIO_PCI && !host.machine().kernel().bindsDevices()) {
            return Errno.EINVAL.negated();
        }
        if (driver == HostDriver.OTHER && host.groupOf(function).isClaimed()) {
            return Errno.EBUSY.negated();
        }
        function.bind(driver);
        return 0;
    }

    /** {@code unbind_store}; waits while the device is open, and asks its user to close it. */
    private int unbind(HostDriver driver, String text) {
        PciFunction function = host.functions().get(text.strip());
        if (function == null || function.driver() != driver) {
            return Errno.ENODEV.negated();
        }
        if (function.isOpen()) {
            if (wanted != function) {
                letGo();
                wanted = function;
                function.wanted(true);
                request(function, 0);
            }
            return Errno.EAGAIN.negated();
        }
        letGo();
        function.bind(HostDriver.NONE);
        IommuGroup group = host.groupOf(function);
        if (!group.hasNode()) {
            group.leave(null);
        }
        return 0;
    }

    /** Requests the device, repeatedly until it is closed or the caller stops waiting. */
    private void request(PciFunction function, int times) {
        function.request(times);
        host.after(BETWEEN_REQUESTS, () -> {
            if (wanted == function && function.isOpen()) {
                request(function, times + 1);
            }
        });
    }

    @Override
    void release(Mm closer) {
        letGo();
    }

    /** The caller no longer waits for the device. */
    private void letGo() {
        if (wanted != null) {
            wanted.wanted(false);
            wanted = null;
        }
    }

    /** {@code drivers_probe_store}, which does not report whether a driver was bound. */
    private static int probe(EmulatedHost host, String text) {
        PciFunction function = host.functions().get(text.strip());
        if (function == null) {
            return Errno.ENODEV.negated();
        }
        for (HostDriver driver : HostDriver.values()) {
            if (function.driver() == HostDriver.NONE) {
                bind(host, driver, text);
            }
        }
        return 0;
    }

    @Override
    long read(MemorySegment buffer) {
        long count = pread(buffer, position);
        position += count;
        return count;
    }

    @Override
    long pread(MemorySegment buffer, long offset) {
        return SysfsFile.readText(text.get(), buffer, offset);
    }

    @Override
    boolean blocks() {
        return true;
    }

    @Override
    long write(MemorySegment buffer) {
        if (buffer.byteSize() >= (1L << host.machine().pageShift()) - 1) {
            return Errno.EINVAL.negated();
        }
        String text = new String(buffer.toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
        int answer = store.applyAsInt(this, text);
        return answer == 0 ? buffer.byteSize() : answer;
    }
}
