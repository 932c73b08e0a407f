package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EBADF;
import static org.jvfio.kernel.Errno.EBADFD;
import static org.jvfio.kernel.Errno.EBUSY;
import static org.jvfio.kernel.Errno.EFAULT;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.EISDIR;
import static org.jvfio.kernel.Errno.EMFILE;
import static org.jvfio.kernel.Errno.ENODEV;
import static org.jvfio.kernel.Errno.ENOENT;
import static org.jvfio.kernel.Errno.ENOTTY;
import static org.jvfio.kernel.Errno.ESPIPE;
import static org.jvfio.uapi.vfio_h.O_RDWR;
import static org.jvfio.uapi.vfio_h.VFIO_EEH;
import static org.jvfio.uapi.vfio_h.VFIO_GROUP_FLAGS_CONTAINER_SET;
import static org.jvfio.uapi.vfio_h.VFIO_GROUP_FLAGS_VIABLE;
import static org.jvfio.uapi.vfio_h.VFIO_NOIOMMU_IOMMU;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_IOMMU;
import static org.jvfio.uapi.vfio_h.VFIO_SPAPR_TCE_v2_IOMMU;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.Event;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawDevice;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.contract.host.VfioFile;
import org.jvfio.uapi.vfio_h;

/** Containers and groups: {@code drivers/vfio/container.c} and {@code group.c}. */
@ContractTest
class ContainerAndGroupTest extends Contract {
    /** The IOMMU of x86, {@code VFIO_TYPE1_IOMMU}. */
    private static final int TYPE1 = 1;

    private static final int TYPE1_V2 = 3;
    private static final int UNKNOWN_EXTENSION = 99;
    private static final int UNKNOWN_REQUEST = vfio_h.VFIO_GET_API_VERSION + 40;
    private static final int NO_DESCRIPTOR = 9999;

    ContainerAndGroupTest(ContractHost host) {
        super(host);
    }

    @Test
    @Scenario("A1")
    void getApiVersion_openContainer_zero() {
        assertAnswer(0, process.openContainer().ioctl(vfio_h.VFIO_GET_API_VERSION, 0));
    }

    @Test
    @Scenario("A12")
    void groupIoctl_unknownRequest_enotty() {
        assertAnswer(ENOTTY, openGroup().ioctl(UNKNOWN_REQUEST, 0));
    }

    @Test
    void open_noFreeDescriptor_emfileBeforeLookup() {
        openGroup();
        process.withoutFreeDescriptors(() -> {
            assertAnswer(EMFILE, process.open("/dev/vfio/" + first.group(), O_RDWR));
            assertAnswer(EMFILE, process.open("/dev/vfio/7777", O_RDWR));
            assertAnswer(EMFILE, process.open("/dev/vfio/vfio", O_RDWR));
        });
    }

    @Test
    void preadAndPwrite_containerAndGroup_einval() {
        MemorySegment buffer = process.struct(ValueLayout.JAVA_LONG);
        for (VfioFile file : List.of(openGroup(), process.openContainer())) {
            assertAnswer(EINVAL, file.pread(buffer, 0));
            assertAnswer(EINVAL, file.pwrite(buffer, 0));
            assertAnswer(EINVAL, file.pread(buffer.asSlice(0, 0), 0));
        }
        assertAnswer(ESPIPE, process.kernel().pread(new Event(process).descriptor(), buffer, 0));
        int nothing = process.open("/dev/null", O_RDWR);
        assertAnswer(0, process.kernel().pread(nothing, buffer, 0));
        assertAnswer(8, process.kernel().pwrite(nothing, buffer, 0));
        assertAnswer(EBADF, process.kernel().pread(NO_DESCRIPTOR, buffer, 0));
        assertAnswer(EINVAL, process.kernel().pread(NO_DESCRIPTOR, buffer, -1));
    }

    @Test
    void sysfs_iommuGroup_noReservedRegions() throws IOException {
        String group = "/sys/kernel/iommu_groups/" + first.group();
        assertEquals("", process.kernel().readFile(group + "/reserved_regions"));
        assertEquals("unknown\n", process.kernel().readFile(group + "/type"));
        assertEquals(
                List.of("devices", "name", "reserved_regions", "type"),
                process.kernel().list(group));
        assertEquals(List.of(first.address()), process.kernel().list(group + "/devices"));
    }

    @Test
    @Scenario("A31")
    void closeGroup_inContainer_detachesIommu() {
        RawGroup group = openGroup();
        RawContainer container = v2(group);
        assertAnswer(0, group.close());
        assertAnswer(1, container.checkExtension(VFIO_SPAPR_TCE_v2_IOMMU));
        assertAnswer(EINVAL, container.getInfo(32));
        assertAnswer(0, openGroup().setContainer(container));
        assertAnswer(0, container.setIommu(VFIO_SPAPR_TCE_IOMMU));
    }

    @Nested
    class CheckExtensionCalls {
        @Test
        @Scenario("A2")
        void checkExtension_spaprTceAndEeh_supported() {
            RawContainer container = process.openContainer();
            assertAnswer(1, container.checkExtension(VFIO_SPAPR_TCE_IOMMU));
            assertAnswer(1, container.checkExtension(VFIO_SPAPR_TCE_v2_IOMMU));
            assertAnswer(host.hasEeh() ? 1 : 0, container.checkExtension(VFIO_EEH));
        }

        @Test
        @Scenario("A2")
        void checkExtension_type1AndUnknown_zero() {
            RawContainer container = process.openContainer();
            assertAnswer(0, container.checkExtension(TYPE1));
            assertAnswer(0, container.checkExtension(TYPE1_V2));
            assertAnswer(0, container.checkExtension(VFIO_NOIOMMU_IOMMU));
            assertAnswer(0, container.checkExtension(UNKNOWN_EXTENSION));
        }

        @Test
        void checkExtension_iommuSet_sameAsBefore() {
            RawContainer container = v1();
            assertAnswer(1, container.checkExtension(VFIO_SPAPR_TCE_IOMMU));
            assertAnswer(1, container.checkExtension(VFIO_SPAPR_TCE_v2_IOMMU));
            assertAnswer(0, container.checkExtension(TYPE1));
        }
    }

    @Nested
    class SetIommuCalls {
        @Test
        @Scenario("A4")
        void setIommu_noGroup_einval() {
            RawContainer container = process.openContainer();
            assertAnswer(EINVAL, container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU));
            assertAnswer(EINVAL, container.setIommu(TYPE1));
        }

        @Test
        @Scenario("A5")
        void setIommu_type1OrUnknown_enodev() {
            RawContainer container = containerWith(openGroup());
            assertAnswer(ENODEV, container.setIommu(TYPE1));
            assertAnswer(ENODEV, container.setIommu(TYPE1_V2));
            assertAnswer(ENODEV, container.setIommu(UNKNOWN_EXTENSION));
        }

        @Test
        @Scenario({"A6", "A7"})
        void setIommu_afterRefusedType_succeeds() {
            RawContainer container = containerWith(openGroup());
            assertAnswer(host.hasEeh() ? EINVAL : ENODEV, container.setIommu(VFIO_EEH));
            assertAnswer(0, container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU));
        }

        @Test
        @Scenario("A8")
        void setIommu_twice_einval() {
            RawContainer container = v2();
            assertAnswer(EINVAL, container.setIommu(VFIO_SPAPR_TCE_v2_IOMMU));
            assertAnswer(EINVAL, container.setIommu(VFIO_SPAPR_TCE_IOMMU));
        }

        @Test
        @Scenario("A30")
        void setIommu_groupSetAgain_typeMayChange() {
            RawGroup group = openGroup();
            RawContainer container = v2(group);
            assertAnswer(0, group.unsetContainer());
            assertAnswer(0, group.setContainer(container));
            assertAnswer(0, container.setIommu(VFIO_SPAPR_TCE_IOMMU));
            assertAnswer(0, container.enable());
        }
    }

    @Nested
    class ContainerIoctlCalls {
        @Test
        @Scenario({"A9", "A11"})
        void containerIoctl_noIommu_einval() {
            RawContainer container = process.openContainer();
            assertAnswer(EINVAL, container.getInfo(32));
            assertAnswer(EINVAL, container.map(0, 0, 0x10000));
            assertAnswer(EINVAL, container.eeh(vfio_h.VFIO_EEH_PE_GET_STATE));
            assertAnswer(EINVAL, container.ioctl(UNKNOWN_REQUEST, 0));
        }

        @Test
        @Scenario("A10")
        void containerIoctl_unknownRequest_enotty() {
            RawContainer container = v2();
            assertAnswer(ENOTTY, container.ioctl(UNKNOWN_REQUEST, 0));
            assertAnswer(ENOTTY, container.ioctl(vfio_h.VFIO_GROUP_GET_STATUS, 0));
        }

        @Test
        void containerIoctl_requestNumberOfX86_enotty() {
            int bitOfPowerpc = 0x20000000;
            RawContainer container = v2();
            assertAnswer(ENOTTY, container.ioctl(vfio_h.VFIO_GET_API_VERSION & ~bitOfPowerpc, 0));
        }
    }

    @Nested
    class OpenGroupCalls {
        @Test
        void openGroup_absentGroup_enoent() {
            assertAnswer(ENOENT, process.open("/dev/vfio/7777", O_RDWR));
            assertAnswer(EISDIR, process.open("/dev/vfio", O_RDWR));
        }

        @Test
        @Scenario("A13")
        void openGroup_twice_ebusy() {
            openGroup();
            assertAnswer(EBUSY, process.open("/dev/vfio/" + first.group(), O_RDWR));
        }

        @Test
        @Scenario("A14")
        void openGroup_afterClose_viable() {
            assertAnswer(0, openGroup().close());
            assertEquals(VFIO_GROUP_FLAGS_VIABLE, openGroup().flags());
        }

        @Test
        @Scenario("A32")
        void openGroup_deviceStillOpen_ebusy() {
            RawGroup group = openGroup();
            v2(group);
            RawDevice device = group.device(first.address());
            assertAnswer(0, group.close());
            assertAnswer(EBUSY, process.open("/dev/vfio/" + first.group(), O_RDWR));
            assertAnswer(0, device.close());
            assertTrue(process.open("/dev/vfio/" + first.group(), O_RDWR) >= 0);
        }
    }

    @Nested
    class GroupGetStatusCalls {
        @Test
        @Scenario("A16")
        void groupGetStatus_allDevicesBoundToVfio_viable() {
            assertEquals(VFIO_GROUP_FLAGS_VIABLE, openGroup().flags());
        }

        @Test
        @Scenario("A17")
        void groupGetStatus_shortArgsz_einval() {
            assertAnswer(EINVAL, openGroup().getStatus(4));
        }

        @Test
        @Scenario("A18")
        void groupGetStatus_nullPointer_efault() {
            assertAnswer(EFAULT, openGroup().ioctl(vfio_h.VFIO_GROUP_GET_STATUS, 0));
        }

        @Test
        @Scenario("A21")
        void groupGetStatus_inContainer_containerSet() {
            RawGroup group = openGroup();
            containerWith(group);
            assertEquals(VFIO_GROUP_FLAGS_VIABLE | VFIO_GROUP_FLAGS_CONTAINER_SET, group.flags());
        }
    }

    @Nested
    class SetContainerCalls {
        @Test
        @Scenario("A22")
        void setContainer_closedDescriptor_ebadf() {
            RawGroup group = openGroup();
            assertAnswer(EBADF, group.setContainer(NO_DESCRIPTOR));
            assertAnswer(EBADF, group.setContainer(-1));
        }

        @Test
        @Scenario("A23")
        void setContainer_otherFile_ebadfd() {
            RawGroup group = openGroup();
            assertAnswer(EBADFD, group.setContainer(process.open("/dev/null", O_RDWR)));
            assertAnswer(EBADFD, group.setContainer(group));
        }

        @Test
        @Scenario("A24")
        void setContainer_alreadySet_einval() {
            RawGroup group = openGroup();
            RawContainer container = containerWith(group);
            assertAnswer(EINVAL, group.setContainer(container));
            assertAnswer(EINVAL, group.setContainer(process.openContainer()));
            assertAnswer(EBADF, group.setContainer(NO_DESCRIPTOR));
        }

        @Test
        @Scenario("A25")
        void setContainer_nullPointer_efault() {
            assertAnswer(EFAULT, openGroup().ioctl(vfio_h.VFIO_GROUP_SET_CONTAINER, 0));
        }
    }

    @Nested
    class UnsetContainerCalls {
        @Test
        @Scenario("A26")
        void unsetContainer_notSet_einval() {
            assertAnswer(EINVAL, openGroup().unsetContainer());
        }

        @Test
        @Scenario({"A27", "A28"})
        void unsetContainer_openDevice_ebusyUntilClosed() {
            RawGroup group = openGroup();
            v2(group);
            RawDevice device = group.device(first.address());
            assertAnswer(EBUSY, group.unsetContainer());
            assertAnswer(0, device.close());
            assertAnswer(0, group.unsetContainer());
            assertEquals(VFIO_GROUP_FLAGS_VIABLE, group.flags());
        }

        @Test
        @Scenario("A29")
        void unsetContainer_lastGroup_iommuIsDetached() {
            RawGroup group = openGroup();
            RawContainer container = v2(group);
            assertAnswer(0, group.unsetContainer());
            assertAnswer(1, container.checkExtension(VFIO_SPAPR_TCE_IOMMU));
            assertAnswer(EINVAL, container.setIommu(VFIO_SPAPR_TCE_IOMMU));
            assertAnswer(EINVAL, container.getInfo(32));
        }
    }
}
