package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EINVAL;
import static org.jvfio.kernel.Errno.EIO;
import static org.jvfio.kernel.Errno.ENODEV;
import static org.jvfio.kernel.Errno.ERANGE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_CONFIGURE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_DISABLE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_ENABLE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_GET_STATE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_INJECT_ERR;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_RESET_DEACTIVATE;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_RESET_FUNDAMENTAL;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_RESET_HOT;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_STATE_NORMAL;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_STATE_STOPPED;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_STATE_STOPPED_DMA;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_UNFREEZE_DMA;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_UNFREEZE_IO;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.junit.jupiter.api.Nested;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.Edu;
import org.jvfio.contract.host.RawConfigSpace;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawDevice;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.emulator.Platform;
import org.jvfio.ioctl.EehPeOp;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/** EEH_PE_OP of a container, where EEH is on; where it is off, there is no endpoint to operate on. */
@ContractTest
class EehTest extends Contract {
    private static final int UNKNOWN_OPERATION = 10;
    private static final int TYPE_32_BIT = 0;
    private static final int TYPE_64_BIT = 1;
    private static final int LOAD_MEMORY = 0;
    private static final int LOAD_CONFIG = 4;
    private static final int STORE_MEMORY = 6;
    private static final int STORE_CONFIG = 10;
    private static final int UNKNOWN_TYPE = 2;
    private static final int DMA_READ_ADDRESS = 12;
    private static final int UNKNOWN_FUNCTION = 20;
    /** How long the kernel itself asserts a reset: EEH_PE_RST_HOLD_TIME of asm/eeh.h. */
    private static final int RESET_MILLIS = 250;

    private static final int LIVENESS = 4;
    private static final long IOVA = 0x100000;

    private final RawGroup group = openGroup();
    private final RawContainer container = v2(group);

    EehTest(ContractHost host) {
        super(host);
    }

    /** Without EEH, every operation answers ENODEV before it is looked at. */
    private void assertEeh(int expected, int answer) {
        assertAnswer(host.hasEeh() ? expected : ENODEV.negated(), answer);
    }

    private void assertEeh(Errno expected, int answer) {
        assertEeh(expected.negated(), answer);
    }

    private void assertState(int state) {
        assertEeh(state, container.eeh(VFIO_EEH_PE_GET_STATE));
    }

    /** A DMA to where nothing is mapped; only hardware and its emulation freeze the endpoint for it. */
    private Edu freeze() {
        Edu edu = Edu.mastering(group.device(first.address()));
        edu.readMemory(IOVA, Edu.BUFFER_BYTES);
        return edu;
    }

    private int ifFrozen(int state) {
        return host.freezes() ? state : VFIO_EEH_PE_STATE_NORMAL;
    }

    @Test
    @Scenario({"I1", "I14"})
    void eehGetState_healthyPe_normal() {
        assertState(VFIO_EEH_PE_STATE_NORMAL);
    }

    @Test
    @Scenario({"I8", "I9"})
    void eehUnfreeze_stoppedPe_thawedInTwoSteps() {
        freeze();
        assertState(ifFrozen(VFIO_EEH_PE_STATE_STOPPED));
        assertEeh(0, container.eeh(VFIO_EEH_PE_UNFREEZE_IO));
        assertState(ifFrozen(VFIO_EEH_PE_STATE_STOPPED_DMA));
        assertEeh(0, container.eeh(VFIO_EEH_PE_UNFREEZE_DMA));
        assertState(VFIO_EEH_PE_STATE_NORMAL);
    }

    /** What a driver does by itself that Device.recover does for it; vfio.rst has the sequence. */
    @Test
    @Scenario({"I17", "I18"})
    void eehSequence_injectedLoadError_stoppedAndThenNormalAgain() throws InterruptedException {
        assumeTrue(host.resetsReliably(), "the firmware fails resets after a while");
        RawDevice device = group.device(first.address());
        assertEeh(0, container.eeh(VFIO_EEH_PE_ENABLE));
        assertState(VFIO_EEH_PE_STATE_NORMAL);
        // POWER9 and later inject errors of configuration space alone.
        boolean power8 = host.platform() == Platform.PHB3;
        assertEeh(0, container.injectError(TYPE_32_BIT, power8 ? LOAD_MEMORY : LOAD_CONFIG));
        MemorySegment value = process.struct(ValueLayout.JAVA_INT);
        long register = power8
                ? device.offset(vfio_h.VFIO_PCI_BAR0_REGION_INDEX)
                : device.offset(vfio_h.VFIO_PCI_CONFIG_REGION_INDEX) + vfio_h.PCI_CLASS_REVISION;
        assertAnswer(Integer.BYTES, device.pread(value, register));
        assertEquals(host.freezes(), value.get(ValueLayout.JAVA_INT, 0) == -1);
        assertState(ifFrozen(VFIO_EEH_PE_STATE_STOPPED));
        assertEeh(0, container.eeh(VFIO_EEH_PE_UNFREEZE_IO));
        assertState(ifFrozen(VFIO_EEH_PE_STATE_STOPPED_DMA));
        assertAnswer(Integer.BYTES, device.pread(value, register));
        assertNotEquals(-1, value.get(ValueLayout.JAVA_INT, 0), "registers can be read for a dump");
        assertEeh(0, container.eeh(VFIO_EEH_PE_RESET_HOT));
        Thread.sleep(RESET_MILLIS);
        assertEeh(0, container.eeh(VFIO_EEH_PE_RESET_DEACTIVATE));
        assertEeh(0, container.eeh(VFIO_EEH_PE_CONFIGURE));
        assertState(VFIO_EEH_PE_STATE_NORMAL);
        Edu.mastering(device);
    }

    @Test
    void pread_stoppedPe_allOnes() {
        freeze();
        RawDevice device = group.device(first.address());
        RawConfigSpace config = device.config();
        assertEquals(0x11e81234, config.readInt(vfio_h.PCI_VENDOR_ID));
        // The kernel answers for INTX_DISABLE and the list of capabilities itself.
        int command = config.readInt(vfio_h.PCI_COMMAND);
        assertEquals(host.freezes(), command == ~vfio_h.PCI_COMMAND_INTX_DISABLE);
        MemorySegment id = process.struct(ValueLayout.JAVA_INT);
        assertAnswer(Integer.BYTES, device.pwrite(id, LIVENESS));
        assertAnswer(Integer.BYTES, device.pread(id, 0));
        assertEquals(host.freezes(), id.get(ValueLayout.JAVA_INT, 0) == -1);
    }

    @Test
    void eehEnable_stoppedPe_normal() {
        freeze();
        assertEeh(0, container.eeh(VFIO_EEH_PE_ENABLE));
        assertState(VFIO_EEH_PE_STATE_NORMAL);
    }

    @Test
    @Scenario({"I10", "I12"})
    void eehReset_untilDeactivated_stopped() {
        assumeTrue(host.resetsReliably(), "the firmware fails resets after a while");
        group.device(first.address());
        for (int reset : new int[] {VFIO_EEH_PE_RESET_HOT, VFIO_EEH_PE_RESET_FUNDAMENTAL}) {
            assertEeh(0, container.eeh(reset));
            assertState(ifFrozen(VFIO_EEH_PE_STATE_STOPPED));
            assertEeh(0, container.eeh(VFIO_EEH_PE_RESET_DEACTIVATE));
            assertState(VFIO_EEH_PE_STATE_NORMAL);
            assertEeh(0, container.eeh(VFIO_EEH_PE_CONFIGURE));
        }
    }

    @Test
    @Scenario("I11")
    void pread_configSpaceDuringEehReset_enodev() {
        assumeTrue(host.resetsReliably(), "the firmware fails resets after a while");
        RawDevice device = group.device(first.address());
        MemorySegment command = process.struct(ValueLayout.JAVA_SHORT);
        assertAnswer(Short.BYTES, device.readCommand(command));
        assertEeh(0, container.eeh(VFIO_EEH_PE_RESET_HOT));
        assertAnswer(host.hasEeh() ? ENODEV.negated() : Short.BYTES, device.readCommand(command));
        assertEeh(0, container.eeh(VFIO_EEH_PE_RESET_DEACTIVATE));
        assertAnswer(Short.BYTES, device.readCommand(command));
    }

    @Test
    @Scenario({"I15", "I19"})
    void close_stoppedPe_thawedAsByGetDeviceFd() {
        RawDevice device = group.device(first.address());
        Edu.mastering(device).readMemory(IOVA, Edu.BUFFER_BYTES);
        assertState(ifFrozen(VFIO_EEH_PE_STATE_STOPPED));
        assertAnswer(0, device.close());
        assertState(VFIO_EEH_PE_STATE_NORMAL);
        group.device(first.address());
        assertState(VFIO_EEH_PE_STATE_NORMAL);
    }

    @Nested
    class EehInjectCalls {
        @Test
        @Scenario("I4")
        void eehInject_shortArgsz_einval() {
            assertEeh(
                    EINVAL,
                    container.call(
                            container.eehOperation(VFIO_EEH_PE_INJECT_ERR).argsz(12)));
        }

        @Test
        @Scenario({"I5", "I6"})
        void eehInject_unknownTypeOrFunction_refused() {
            assertEeh(ERANGE, container.injectError(UNKNOWN_TYPE, DMA_READ_ADDRESS));
            assertEeh(EINVAL, container.injectError(TYPE_32_BIT, UNKNOWN_FUNCTION));
            assertEeh(EINVAL, container.injectError(TYPE_32_BIT, -1));
        }

        @Test
        @Scenario("I7")
        void eehInject_dmaReadAddress_stopsPeOnPower8() {
            // The firmware wants a window to put it in, and that of later bridges fails at any rate.
            assertEeh(EIO, container.injectError(TYPE_32_BIT, DMA_READ_ADDRESS));
            container.createWindow(16, GIB, 1);
            boolean power8 = host.platform() == Platform.PHB3;
            assertEeh(power8 ? 0 : EIO.negated(), container.injectError(TYPE_32_BIT, DMA_READ_ADDRESS));
            if (power8) {
                freeze();
                assertState(ifFrozen(VFIO_EEH_PE_STATE_STOPPED));
            }
        }

        /** Functions come in pairs, of the address and of the data; those of I/O space no bridge has. */
        @Test
        void eehInject_everyFunction_zeroOrEio() {
            boolean power8 = host.platform() == Platform.PHB3;
            for (int type : new int[] {TYPE_32_BIT, TYPE_64_BIT}) {
                for (int function = 0; function < DMA_READ_ADDRESS; function++) {
                    boolean config = function / 2 == LOAD_CONFIG / 2 || function / 2 == STORE_CONFIG / 2;
                    boolean memory = function / 2 == LOAD_MEMORY / 2 || function / 2 == STORE_MEMORY / 2;
                    boolean known = config || (power8 && memory);
                    assertEeh(known ? 0 : EIO.negated(), container.injectError(type, function));
                }
            }
        }
    }

    @Nested
    class EehPeOpCalls {
        @Test
        @Scenario("I2")
        void eehPeOp_unknownOperation_einval() {
            assertEeh(EINVAL, container.eeh(UNKNOWN_OPERATION));
        }

        @Test
        @Scenario("I3")
        void eehPeOp_flagsOrShortArgsz_einval() {
            assertEeh(
                    EINVAL,
                    container.call(container.eehOperation(VFIO_EEH_PE_GET_STATE).flags(1)));
            EehPeOp shorter = container.eehOperation(VFIO_EEH_PE_GET_STATE).argsz(8);
            assertEeh(EINVAL, container.call(shorter));
            assertEeh(VFIO_EEH_PE_STATE_NORMAL, container.call(shorter.argsz(12)));
        }

        @Test
        @Scenario({"I13", "I16"})
        void eehPeOp_healthyPe_zero() {
            assertEeh(0, container.eeh(VFIO_EEH_PE_ENABLE));
            assertEeh(0, container.eeh(VFIO_EEH_PE_UNFREEZE_IO));
            assertEeh(0, container.eeh(VFIO_EEH_PE_UNFREEZE_DMA));
            assertEeh(0, container.eeh(VFIO_EEH_PE_CONFIGURE));
            assertEeh(0, container.eeh(VFIO_EEH_PE_DISABLE));
            assertState(VFIO_EEH_PE_STATE_NORMAL);
        }
    }
}
