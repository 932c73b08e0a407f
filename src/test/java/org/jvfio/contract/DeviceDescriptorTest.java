package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EFAULT;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.EMFILE;
import static org.jvfio.kernel.Errno.ENODEV;
import static org.jvfio.uapi.vfio_h.VFIO_GROUP_GET_DEVICE_FD;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_BAR0_REGION_INDEX;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.Edu;
import org.jvfio.contract.host.RawDevice;
import org.jvfio.contract.host.RawGroup;

/** GET_DEVICE_FD of a group. */
@ContractTest
class DeviceDescriptorTest extends Contract {
    private static final String UUID = "2ab74924-c335-45f4-9b16-8569e5b08258";
    private static final int LIVENESS = 4;

    private final RawGroup group = openGroup();

    DeviceDescriptorTest(ContractHost host) {
        super(host);
    }

    private String otherFunction() {
        return first.address().substring(0, first.address().length() - 1) + "7";
    }

    @Test
    @Scenario("B1")
    void getDeviceFd_noContainer_einval() {
        assertAnswer(EINVAL, group.getDevice(first.address()));
    }

    @Test
    @Scenario("B2")
    void getDeviceFd_noIommu_einval() {
        containerWith(group);
        assertAnswer(EINVAL, group.getDevice(first.address()));
    }

    @Test
    @Scenario("B3")
    void getDeviceFd_deviceOfOtherGroup_enodev() {
        v2(group);
        assertAnswer(ENODEV, group.getDevice(otherFunction()));
        assertAnswer(ENODEV, group.getDevice(second.address()));
        assertAnswer(ENODEV, group.getDevice(""));
    }

    @Test
    @Scenario("B4")
    void getDeviceFd_wrongNameWithoutContainer_enodev() {
        assertAnswer(ENODEV, group.getDevice(otherFunction()));
    }

    @Test
    @Scenario("B5")
    void getDeviceFd_nameWithoutDomain_enodev() {
        v2(group);
        assertAnswer(ENODEV, group.getDevice(first.address().substring("0000:".length())));
    }

    @Test
    @Scenario({"B6", "B7"})
    void getDeviceFd_optionOfOrdinaryDevice_einval() {
        v2(group);
        assertAnswer(EINVAL, group.getDevice(first.address() + " foo"));
        assertAnswer(EINVAL, group.getDevice(first.address() + " vf_token=" + UUID));
    }

    @Test
    void getDeviceFd_trailingSpaces_succeeds() {
        v2(group);
        assertTrue(group.getDevice(first.address() + "  ") >= 0);
    }

    @Test
    @Scenario("B8")
    void getDeviceFd_nameWithoutEnd_einvalOrEfault() {
        v2(group);
        long page = 64 * KIB;
        long memory = process.memory(2 * page);
        process.segment(memory, page).fill((byte) 'a');
        process.free(memory + page, page);
        long last = memory + page - process.pageSize();
        assertAnswer(EINVAL, group.ioctl(VFIO_GROUP_GET_DEVICE_FD, last));
        assertAnswer(EINVAL, group.ioctl(VFIO_GROUP_GET_DEVICE_FD, process.segment(last, process.pageSize())));
        assertAnswer(EFAULT, group.ioctl(VFIO_GROUP_GET_DEVICE_FD, last + 1));
        assertAnswer(EFAULT, group.ioctl(VFIO_GROUP_GET_DEVICE_FD, 0));
    }

    @Test
    @Scenario("B9")
    void getDeviceFd_noFreeDescriptor_emfile() {
        v2(group);
        process.withoutFreeDescriptors(() -> assertAnswer(EMFILE, group.getDevice(first.address())));
        group.device(first.address());
    }

    @Test
    @Scenario("B10")
    void getDeviceFd_twice_resetOnce() {
        v2(group);
        RawDevice device = group.device(first.address());
        Edu edu = Edu.mastering(device);
        edu.writeRegister(LIVENESS, 0x12345678);
        assertEquals(~0x12345678, edu.readRegister(LIVENESS));
        RawDevice again = group.device(first.address());
        assertTrue(device.descriptor() != again.descriptor());
        assertEquals(~0x12345678, edu.readRegister(LIVENESS));
        assertAnswer(0, device.close());
        MemorySegment id = process.struct(ValueLayout.JAVA_INT);
        assertAnswer(Integer.BYTES, again.pread(id, again.offset(VFIO_PCI_BAR0_REGION_INDEX)));
    }
}
