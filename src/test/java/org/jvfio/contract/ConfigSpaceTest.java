package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EFAULT;
import static org.jvfio.kernel.Errno.EIO;
import static org.jvfio.uapi.vfio_h.PCI_BASE_ADDRESS_0;
import static org.jvfio.uapi.vfio_h.PCI_BASE_ADDRESS_1;
import static org.jvfio.uapi.vfio_h.PCI_BASE_ADDRESS_MEM_TYPE_64;
import static org.jvfio.uapi.vfio_h.PCI_CAP_ID_EXP;
import static org.jvfio.uapi.vfio_h.PCI_CAP_ID_MSI;
import static org.jvfio.uapi.vfio_h.PCI_CAP_ID_MSIX;
import static org.jvfio.uapi.vfio_h.PCI_CAP_ID_PM;
import static org.jvfio.uapi.vfio_h.PCI_CLASS_REVISION;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND_INTX_DISABLE;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND_IO;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND_MASTER;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND_MEMORY;
import static org.jvfio.uapi.vfio_h.PCI_COMMAND_PARITY;
import static org.jvfio.uapi.vfio_h.PCI_EXP_DEVCAP;
import static org.jvfio.uapi.vfio_h.PCI_EXP_DEVCAP_FLR;
import static org.jvfio.uapi.vfio_h.PCI_EXP_DEVCTL;
import static org.jvfio.uapi.vfio_h.PCI_EXP_DEVCTL_BCR_FLR;
import static org.jvfio.uapi.vfio_h.PCI_EXP_DEVCTL_CERE;
import static org.jvfio.uapi.vfio_h.PCI_EXP_DEVCTL_FERE;
import static org.jvfio.uapi.vfio_h.PCI_EXP_DEVCTL_NFERE;
import static org.jvfio.uapi.vfio_h.PCI_EXP_DEVCTL_PAYLOAD;
import static org.jvfio.uapi.vfio_h.PCI_EXP_DEVCTL_READRQ;
import static org.jvfio.uapi.vfio_h.PCI_EXP_DEVCTL_URRE;
import static org.jvfio.uapi.vfio_h.PCI_EXP_LNKCTL;
import static org.jvfio.uapi.vfio_h.PCI_INTERRUPT_LINE;
import static org.jvfio.uapi.vfio_h.PCI_INTERRUPT_PIN;
import static org.jvfio.uapi.vfio_h.PCI_MSIX_FLAGS;
import static org.jvfio.uapi.vfio_h.PCI_MSIX_FLAGS_ENABLE;
import static org.jvfio.uapi.vfio_h.PCI_MSIX_PBA;
import static org.jvfio.uapi.vfio_h.PCI_MSIX_TABLE;
import static org.jvfio.uapi.vfio_h.PCI_MSI_ADDRESS_LO;
import static org.jvfio.uapi.vfio_h.PCI_MSI_DATA_64;
import static org.jvfio.uapi.vfio_h.PCI_MSI_FLAGS;
import static org.jvfio.uapi.vfio_h.PCI_MSI_FLAGS_64BIT;
import static org.jvfio.uapi.vfio_h.PCI_MSI_FLAGS_ENABLE;
import static org.jvfio.uapi.vfio_h.PCI_PM_CAP_PME_MASK;
import static org.jvfio.uapi.vfio_h.PCI_PM_CTRL;
import static org.jvfio.uapi.vfio_h.PCI_PM_CTRL_STATE_MASK;
import static org.jvfio.uapi.vfio_h.PCI_PM_PMC;
import static org.jvfio.uapi.vfio_h.PCI_ROM_ADDRESS;
import static org.jvfio.uapi.vfio_h.PCI_STATUS;
import static org.jvfio.uapi.vfio_h.PCI_STATUS_CAP_LIST;
import static org.jvfio.uapi.vfio_h.PCI_STATUS_INTERRUPT;
import static org.jvfio.uapi.vfio_h.PCI_VENDOR_ID;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_CONFIG_REGION_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_MSIX_IRQ_INDEX;
import static org.jvfio.uapi.vfio_h.VFIO_PCI_MSI_IRQ_INDEX;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.Edu;
import org.jvfio.contract.host.Event;
import org.jvfio.contract.host.RawConfigSpace;
import org.jvfio.contract.host.RawDevice;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.uapi.vfio_h;

/** Configuration space, of which Linux shows a part as it is, and a part as it would like it to be. */
@ContractTest
class ConfigSpaceTest extends Contract {
    private static final int D3HOT = 3;
    private static final int NO_CAPABILITY = 0x100;

    private final RawGroup group = openGroup();
    private final RawDevice edu;
    private final RawConfigSpace config;

    ConfigSpaceTest(ContractHost host) {
        super(host);
        v2(group);
        edu = group.device(first.address());
        config = edu.config();
    }

    @Test
    @Scenario("J6")
    void pread_pastEndOfConfigSpace_efault() {
        long offset = (long) VFIO_PCI_CONFIG_REGION_INDEX << 40;
        MemorySegment four = process.struct(ValueLayout.JAVA_INT);
        assertAnswer(EFAULT, edu.pread(four, offset + 254));
        assertAnswer(EFAULT, edu.pwrite(four, offset + 254));
        assertAnswer(EFAULT, edu.pread(four, offset + 256));
        RawDevice nvme = nvme();
        int end = host.hasExtendedConfig() ? 4096 : 256;
        assertAnswer(EFAULT, nvme.pread(four, offset + end - 2));
        assertAnswer(EFAULT, nvme.pread(four, offset + end));
        assertAnswer(2, nvme.pread(four.asSlice(0, 2), offset + end - 2));
    }

    @Test
    void closeDevice_commandChanged_commandRestored() {
        edu.changeCommand(PCI_COMMAND_INTX_DISABLE | PCI_COMMAND_MASTER, true);
        edu.changeCommand(PCI_COMMAND_MEMORY, false);
        assertAnswer(0, edu.close());
        int command = group.device(first.address()).config().readShort(PCI_COMMAND);
        assertEquals(
                PCI_COMMAND_MEMORY, command & (PCI_COMMAND_INTX_DISABLE | PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY));
    }

    @Nested
    class ConfigReads {
        @Test
        void configRead_header_idsOfEdu() {
            assertEquals(0x11e81234, config.readInt(PCI_VENDOR_ID));
            assertEquals(0x00ff0010, config.readInt(PCI_CLASS_REVISION));
            assertEquals(0x11001af4, config.readInt(vfio_h.PCI_SUBSYSTEM_VENDOR_ID));
            assertEquals(0, config.readByte(vfio_h.PCI_HEADER_TYPE));
            assertEquals(1, config.readByte(PCI_INTERRUPT_PIN));
            assertEquals(PCI_STATUS_CAP_LIST, config.readShort(PCI_STATUS) & PCI_STATUS_CAP_LIST);
            int command = config.readShort(PCI_COMMAND);
            assertEquals(PCI_COMMAND_MEMORY, command & (PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER));
        }

        @Test
        void configRead_anySizeAndOffset_sameBytes() {
            MemorySegment all = config.read(0, 256);
            for (int start : new int[] {0, 1, 2, 3, 5, 0x3d, 0x41}) {
                for (int bytes = 1; bytes < 12; bytes++) {
                    MemorySegment part = config.read(start, bytes);
                    assertEquals(-1, part.mismatch(all.asSlice(start, bytes)), start + "+" + bytes);
                }
            }
        }

        @Test
        void configRead_capabilityList_idsInOrder() {
            assertEquals(List.of(PCI_CAP_ID_MSI), config.capabilities());
            RawConfigSpace nvme = nvme().config();
            assertEquals(List.of(PCI_CAP_ID_MSIX, PCI_CAP_ID_EXP, PCI_CAP_ID_PM), nvme.capabilities());
            if (host.hasExtendedConfig()) {
                assertEquals(0, nvme.readInt(NO_CAPABILITY));
            }
        }

        @Test
        void configRead_deviceControl_errorReportingOnPowernv() {
            RawConfigSpace space = nvme().config();
            int control = space.readShort(space.capability(PCI_CAP_ID_EXP) + PCI_EXP_DEVCTL);
            int uncorrected = PCI_EXP_DEVCTL_NFERE | PCI_EXP_DEVCTL_FERE | PCI_EXP_DEVCTL_URRE;
            assertEquals(host.isPowernv() ? uncorrected : 0, control & (uncorrected | PCI_EXP_DEVCTL_CERE));
        }
    }

    @Nested
    class ConfigWrites {
        @Test
        void configWrite_readOnlyRegisters_unchanged() {
            for (int register : new int[] {PCI_VENDOR_ID, PCI_CLASS_REVISION, vfio_h.PCI_SUBSYSTEM_VENDOR_ID}) {
                int before = config.readInt(register);
                config.writeInt(register, -1);
                assertEquals(before, config.readInt(register));
            }
            config.writeByte(PCI_INTERRUPT_PIN, 0);
            assertEquals(1, config.readByte(PCI_INTERRUPT_PIN));
            config.writeByte(PCI_INTERRUPT_LINE, 0x55);
            assertEquals(0x55, config.readByte(PCI_INTERRUPT_LINE));
            int first = config.readByte(vfio_h.PCI_CAPABILITY_LIST);
            config.writeByte(vfio_h.PCI_CAPABILITY_LIST, 0);
            assertEquals(first, config.readByte(vfio_h.PCI_CAPABILITY_LIST));
        }

        @Test
        @Scenario("J7")
        void configWrite_onesToBar_sizeMask() {
            int address = config.readInt(PCI_BASE_ADDRESS_0);
            config.writeInt(PCI_BASE_ADDRESS_0, -1);
            assertEquals(-(int) MIB, config.readInt(PCI_BASE_ADDRESS_0));
            config.writeInt(PCI_BASE_ADDRESS_0, address);
            assertEquals(address, config.readInt(PCI_BASE_ADDRESS_0));
            config.writeInt(PCI_BASE_ADDRESS_1, -1);
            config.writeInt(PCI_ROM_ADDRESS, -1);
            assertEquals(0, config.readInt(PCI_BASE_ADDRESS_1));
            assertEquals(0, config.readInt(PCI_ROM_ADDRESS));
            // Only the copy was written: the device is where it was.
            config.writeInt(PCI_BASE_ADDRESS_0, 0);
            Edu.mastering(edu);
        }

        @Test
        void configWrite_onesToWideBar_sizeMaskInTwoRegisters() {
            RawConfigSpace wide = nvme().config();
            wide.writeInt(PCI_BASE_ADDRESS_0, -1);
            wide.writeInt(PCI_BASE_ADDRESS_1, -1);
            // In an LPAR, Linux has the kinds of BARs from the device tree, which does not report 64 bits.
            int type = host.isPowernv() ? PCI_BASE_ADDRESS_MEM_TYPE_64 : 0;
            assertEquals(-(16 << 10) | type, wide.readInt(PCI_BASE_ADDRESS_0));
            assertEquals(host.isPowernv() ? -1 : 0, wide.readInt(PCI_BASE_ADDRESS_1));
            wide.writeInt(PCI_BASE_ADDRESS_0, 0);
            assertEquals(type, wide.readInt(PCI_BASE_ADDRESS_0));
        }

        @Test
        void configWrite_status_unchanged() {
            Edu device = Edu.mastering(edu);
            device.acknowledge();
            assertEquals(PCI_STATUS_CAP_LIST, config.readShort(PCI_STATUS));
            device.raise();
            assertEquals(PCI_STATUS_INTERRUPT, config.readShort(PCI_STATUS) & PCI_STATUS_INTERRUPT);
            config.writeShort(PCI_STATUS, -1);
            assertEquals(PCI_STATUS_CAP_LIST | PCI_STATUS_INTERRUPT, config.readShort(PCI_STATUS));
        }

        @Test
        void configWrite_command_kept() {
            edu.changeCommand(PCI_COMMAND_INTX_DISABLE | PCI_COMMAND_MASTER, true);
            int both = PCI_COMMAND_INTX_DISABLE | PCI_COMMAND_MASTER;
            assertEquals(both, config.readShort(PCI_COMMAND) & both);
            config.writeByte(PCI_COMMAND + 1, 0);
            assertEquals(PCI_COMMAND_MASTER, config.readShort(PCI_COMMAND) & both);
            RawDevice again = group.device(first.address());
            assertEquals(PCI_COMMAND_MASTER, again.config().readShort(PCI_COMMAND) & both);
        }

        @Test
        void configWrite_msiEnable_onlyAfterSetIrqs() {
            int place = config.capability(PCI_CAP_ID_MSI);
            assertEquals(PCI_MSI_FLAGS_64BIT, config.readShort(place + PCI_MSI_FLAGS));
            config.writeInt(place + PCI_MSI_ADDRESS_LO, 0x12345678);
            config.writeShort(place + PCI_MSI_DATA_64, 0x9abc);
            assertEquals(0x12345678, config.readInt(place + PCI_MSI_ADDRESS_LO));
            assertEquals(0x9abc, config.readShort(place + PCI_MSI_DATA_64));
            config.writeShort(place + PCI_MSI_FLAGS, PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_ENABLE);
            assertEquals(PCI_MSI_FLAGS_64BIT, config.readShort(place + PCI_MSI_FLAGS));
            Edu device = Edu.mastering(edu);
            Event event = new Event(process);
            assertAnswer(0, edu.interrupts(VFIO_PCI_MSI_IRQ_INDEX).trigger(event));
            device.raise();
            event.await(1);
            config.writeShort(place + PCI_MSI_FLAGS, PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_ENABLE);
            assertEquals(PCI_MSI_FLAGS_64BIT | PCI_MSI_FLAGS_ENABLE, config.readShort(place + PCI_MSI_FLAGS));
            device.raise();
            event.await(1);
            config.writeShort(place + PCI_MSI_FLAGS, PCI_MSI_FLAGS_64BIT);
            device.raise();
            event.assertQuiet();
        }

        @Test
        void configWrite_msixEnable_noEffect() {
            RawDevice nvme = nvme();
            RawConfigSpace space = nvme.config();
            int place = space.capability(PCI_CAP_ID_MSIX);
            assertEquals(64, space.readShort(place + PCI_MSIX_FLAGS));
            assertEquals(0x2000, space.readInt(place + PCI_MSIX_TABLE));
            assertEquals(0x3000, space.readInt(place + PCI_MSIX_PBA));
            space.writeShort(place + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE);
            assertEquals(64, space.readShort(place + PCI_MSIX_FLAGS));
            Event event = new Event(process);
            assertAnswer(0, nvme.interrupts(VFIO_PCI_MSIX_IRQ_INDEX).trigger(event));
            assertEquals(64 | PCI_MSIX_FLAGS_ENABLE, space.readShort(place + PCI_MSIX_FLAGS));
            space.writeShort(place + PCI_MSIX_FLAGS, 0);
            assertEquals(64 | PCI_MSIX_FLAGS_ENABLE, space.readShort(place + PCI_MSIX_FLAGS));
            assertAnswer(0, nvme.interrupts(VFIO_PCI_MSIX_IRQ_INDEX).disable());
            assertEquals(64, space.readShort(place + PCI_MSIX_FLAGS));
        }

        @Test
        void configWrite_d3hot_registersAreEio() {
            RawDevice nvme = nvme();
            RawConfigSpace space = nvme.config();
            int place = space.capability(PCI_CAP_ID_PM);
            assertEquals(0, space.readShort(place + PCI_PM_PMC) & PCI_PM_CAP_PME_MASK);
            int control = place + PCI_PM_CTRL;
            int awake = space.readShort(control);
            assertEquals(0, awake & PCI_PM_CTRL_STATE_MASK);
            space.writeShort(control, awake | D3HOT);
            assertEquals(host.takesPower() ? D3HOT : 0, space.readShort(control) & PCI_PM_CTRL_STATE_MASK);
            assumeTrue(host.takesPower(), "the device stays in D0");
            MemorySegment version = process.struct(ValueLayout.JAVA_INT);
            assertAnswer(EIO, nvme.pread(version, 8));
            assertEquals(0x00101b36, space.readInt(PCI_VENDOR_ID));
            space.writeShort(control, awake);
            assertEquals(awake, space.readShort(control));
            assertAnswer(Integer.BYTES, nvme.pread(version, 8));
        }

        @Test
        void configWrite_functionLevelReset_commandKept() {
            RawDevice nvme = nvme();
            RawConfigSpace space = nvme.config();
            int place = space.capability(PCI_CAP_ID_EXP);
            assertEquals(PCI_EXP_DEVCAP_FLR, space.readInt(place + PCI_EXP_DEVCAP) & PCI_EXP_DEVCAP_FLR);
            nvme.masterBus(true);
            int control = space.readShort(place + PCI_EXP_DEVCTL);
            space.writeShort(place + PCI_EXP_DEVCTL, control | PCI_EXP_DEVCTL_BCR_FLR);
            assertEquals(control, space.readShort(place + PCI_EXP_DEVCTL));
            assertEquals(PCI_COMMAND_MASTER, space.readShort(PCI_COMMAND) & PCI_COMMAND_MASTER);
        }

        @Test
        void configWrite_commandOfExpressDevice_implementedBitsKept() {
            RawConfigSpace space = nvme().config();
            int command = space.readShort(PCI_COMMAND);
            int asked = PCI_COMMAND_IO | PCI_COMMAND_MEMORY | PCI_COMMAND_PARITY;
            space.writeShort(PCI_COMMAND, asked);
            assertEquals(PCI_COMMAND_IO | PCI_COMMAND_MEMORY, space.readShort(PCI_COMMAND) & asked);
            space.writeShort(PCI_COMMAND, command);
        }

        @Test
        void configWrite_transferSizes_kept() {
            RawConfigSpace space = nvme().config();
            int place = space.capability(PCI_CAP_ID_EXP);
            int control = place + PCI_EXP_DEVCTL;
            for (int sizes : IntStream.of(0, PCI_EXP_DEVCTL_PAYLOAD, PCI_EXP_DEVCTL_READRQ & 0x5000)
                    .toArray()) {
                space.writeShort(control, sizes);
                assertEquals(sizes, space.readShort(control));
            }
            space.writeShort(place + PCI_EXP_LNKCTL, -1);
            assertEquals(0, space.readShort(place + PCI_EXP_LNKCTL));
        }
    }
}
