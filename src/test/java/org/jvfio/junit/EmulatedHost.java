package org.jvfio.junit;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Inherited;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.ExtendWith;
import org.jvfio.observe.sanitize.Finding;

/**
 * Gives each test an emulated POWER host of its own, so that tests may run in parallel:
 *
 * <pre>{@code
 * @EmulatedHost("power9")
 * class MyDriverTest {
 *     @Test
 *     void copiesText(@VfioDevice("edu") Device device) {
 *         try (MyDriver driver = new MyDriver(device)) {
 *             assertEquals("Hello", driver.copy("Hello"));
 *         }
 *     }
 * }
 * }</pre>
 *
 * A test method, and the methods before and after it, may have parameters of these types: {@link
 * org.jvfio.kernel.Kernel}, to be given to the library; {@link org.jvfio.Device}, open, the first of the host or one
 * that {@link VfioDevice} names; {@link org.jvfio.Container}, which all these devices are in; {@link
 * org.jvfio.emulator.EmulatedKernel}, {@code org.jvfio.emulator.EmulatedHost} and {@link
 * org.jvfio.emulator.EmulatedMachine}, the process, the host and its description; {@link
 * org.jvfio.observe.fault.FaultInjection} and {@link org.jvfio.observe.sanitize.Sanitizer}. All parameters of a test
 * are of one host.
 *
 * <p>After the test, and after the methods behind it, these devices and their container are closed, and what the
 * sanitizer has found fails the test. If the test has passed, that is also what its driver has left in them: memory,
 * mappings, windows beside the default one, enabled interrupts, bus mastering, groups and devices that it opened there.
 * It is found before they are closed, as closing gives everything back. Mapped BARs, and the interrupt by which the
 * kernel requests a device, are of the device. After a fault that refused to unmap or to release something, what is
 * left is not looked for.
 *
 * <p>An annotation of a method replaces that of its class, with all of its options: {@code @EmulatedHost(allow = ...)}
 * is a host with the default preset.
 */
@Documented
@Inherited
@Target({ElementType.TYPE, ElementType.METHOD})
@Retention(RetentionPolicy.RUNTIME)
@ExtendWith(EmulatedHostExtension.class)
public @interface EmulatedHost {
    /** A preset, as {@link org.jvfio.emulator.EmulatedMachine#presets} lists them, or the path of a machine file. */
    String value() default "power8";

    /** The release of Linux, such as {@code 6.4}; that of the machine by default. */
    String linux() default "";

    /** What makes the machine, in place of {@link #value}. */
    Class<? extends MachineSource> machine() default MachineSource.Named.class;

    /** Whether a sanitizer watches the test. */
    boolean sanitize() default true;

    /** The kinds of findings that do not fail the test. */
    Finding.Kind[] allow() default {};
}
