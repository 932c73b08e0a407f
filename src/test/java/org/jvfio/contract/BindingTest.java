package org.jvfio.contract;

import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EBUSY;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.ENODEV;
import static org.jvfio.kernel.Errno.ENOENT;
import static org.jvfio.uapi.vfio_h.O_RDWR;

import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.ContractHost;

/** Giving a device to vfio-pci and taking it back, by the files of sysfs. */
@ContractTest
class BindingTest extends Contract {
    private static final String DRIVER = "/sys/bus/pci/drivers/vfio-pci/";

    private final String override = "/sys/bus/pci/devices/" + first.address() + "/driver_override";

    BindingTest(ContractHost host) {
        super(host);
    }

    @Test
    @Scenario("K1")
    void bind_noDriverOverride_enodev() {
        assertAnswer(0, process.store(DRIVER + "unbind", first.address()));
        assertAnswer(0, process.store(override, "\n"));
        assertAnswer(ENODEV, process.store(DRIVER + "bind", first.address()));
        assertAnswer(ENOENT, process.open("/dev/vfio/" + first.group(), O_RDWR));
        assertAnswer(0, process.store(override, "vfio-pci\n"));
        assertAnswer(0, process.store(DRIVER + "bind", first.address()));
        openGroup();
    }

    @Test
    @Scenario("K2")
    void bind_alreadyBound_ebusy() {
        assertAnswer(EBUSY, process.store(DRIVER + "bind", first.address()));
    }

    @Test
    void bindAndUnbind_absentDevice_enodev() {
        assertAnswer(ENODEV, process.store(DRIVER + "bind", "ffff:ff:1f.7"));
        assertAnswer(ENODEV, process.store(DRIVER + "unbind", "ffff:ff:1f.7"));
    }

    @Test
    void driversProbe_driverOverrideSet_binds() {
        assertAnswer(0, process.store(DRIVER + "unbind", first.address()));
        assertAnswer(ENODEV, process.store(DRIVER + "unbind", first.address()));
        assertAnswer(0, process.store("/sys/bus/pci/drivers_probe", first.address()));
        openGroup();
    }

    @Test
    @Scenario("K7")
    void driverOverride_nameOfAPage_einval() {
        assertAnswer(EINVAL, process.store(override, "x".repeat((int) process.pageSize() - 1)));
    }
}
