package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.Map;
import java.util.NoSuchElementException;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.kernel.CallScript;

/** EEH as only an emulated host shows it: freezes, injected errors, the host's own recovery. */
class EehEmulationTest {
    private static final String ADDRESS = "0000:01:00.0";
    private static final long CONFIG = 7L << 40;
    private static final long COMMAND_REGISTER = CONFIG + 4;
    private static final long EXPRESS_FLAGS = CONFIG + 0x40;
    private static final String ONES = "8 ffffffffffffffff";
    private static final String ZEROS = "8 0000000000000000";

    private static final int NORMAL = 0;
    private static final int RESET = 1;
    private static final int STOPPED = 2;
    private static final int STOPPED_DMA = 4;
    private static final int UNAVAILABLE = 5;

    private static final int ENABLE = 1;
    private static final int UNFREEZE_IO = 2;
    private static final int UNFREEZE_DMA = 3;
    private static final int RESET_DEACTIVATE = 5;
    private static final int RESET_HOT = 6;
    private static final int RESET_FUNDAMENTAL = 7;
    private static final int CONFIGURE = 8;

    private static final int LOAD_MEMORY = 0;
    private static final int LOAD_CONFIG = 4;
    private static final int STORE_MEMORY = 6;
    private static final int DMA_READ = 12;
    private static final int DMA_WRITE = 16;

    private EmulatedKernel kernel = EmulatedKernel.boot(EmulatedMachine.power8());
    private CallScript script = new CallScript(kernel, kernel::capIpcLock);

    private void open(EmulatedMachine.Builder machine) {
        kernel = EmulatedKernel.boot(
                machine.withoutDevices().device(ADDRESS, 0, DmaProbe::new).build());
        script = new CallScript(kernel, kernel::capIpcLock);
        script.run("open c /dev/vfio/vfio");
        script.run("open g /dev/vfio/0");
        script.run("setcont g c");
        script.run("setiommu c 7");
        script.run("getdev d g " + ADDRESS);
    }

    private void openPower8() {
        open(EmulatedMachine.power8().toBuilder());
    }

    private void openLpar() {
        open(EmulatedMachine.pseries().toBuilder().eeh(true));
    }

    @AfterEach
    void close() {
        script.close();
        kernel.exit();
    }

    private String eeh(int operation) {
        return script.run("eeh c " + operation);
    }

    private String inject(int type, int function, long address, long mask) {
        return script.run("eeh c 9 0 40 %d %d %d %d".formatted(type, function, address, mask));
    }

    private void assertState(int state) {
        assertEquals(Integer.toString(state), script.run("eeh c 4"));
    }

    private String load(long offset) {
        return script.run("pread d %d 8".formatted(offset));
    }

    private String store(long offset, long value) {
        return script.run("pwrite d %d 8 %d".formatted(offset, value));
    }

    private void transfer(long iova, long command) {
        store(DmaProbe.ADDRESS, iova);
        store(DmaProbe.SIZE, 8);
        store(DmaProbe.COMMAND, command);
    }

    private void masterBus() {
        assertEquals("2", script.run("pwrite d %d 2 %d".formatted(COMMAND_REGISTER, 6)));
    }

    private long bar() {
        return Objects.requireNonNull(kernel.host().functions().get(ADDRESS)).barAddress(0);
    }

    @Test
    void injectError_loadAtAddress_freezesAtThatAddressOnly() {
        openPower8();
        assertEquals("0", inject(0, LOAD_MEMORY, bar() + DmaProbe.RESULT, -1));
        assertEquals(ZEROS, load(DmaProbe.SIZE));
        assertEquals("8", store(DmaProbe.RESULT, 1), "a store is no load");
        assertState(NORMAL);
        assertEquals(ONES, load(DmaProbe.RESULT));
        assertState(STOPPED);
        assertEquals(ONES, load(DmaProbe.SIZE));
        assertEquals("0", eeh(UNFREEZE_IO));
        assertState(STOPPED_DMA);
        assertEquals(ZEROS, load(DmaProbe.RESULT));
        assertEquals("0", eeh(UNFREEZE_DMA));
        assertState(NORMAL);
        assertTrue(kernel.host().log().contains("EEH: Frozen PHB#0-PE#fd detected"));
    }

    @Test
    void injectError_maskedAddress_freezesInThatRange() {
        openPower8();
        assertEquals("0", inject(0, STORE_MEMORY, bar() + 0x100, -0x100));
        store(0, 1);
        assertState(NORMAL);
        store(0x1f8, 1);
        assertState(STOPPED);
    }

    @Test
    void injectError_addressOfNobody_freezesAtAnyAddress() {
        openPower8();
        assertEquals("0", inject(0, LOAD_MEMORY, 0x1234_0000, -1));
        assertEquals(ONES, load(DmaProbe.SIZE));
        assertState(STOPPED);
    }

    @Test
    void injectError_64BitSpace_not32BitBar() {
        openPower8();
        assertEquals("0", inject(1, LOAD_MEMORY, 0, 0));
        assertEquals(ZEROS, load(DmaProbe.SIZE));
        assertState(NORMAL);
    }

    @Test
    void injectError_second_replacesFirst() {
        openPower8();
        inject(0, LOAD_MEMORY, 0, 0);
        inject(0, STORE_MEMORY, 0, 0);
        load(DmaProbe.SIZE);
        assertState(NORMAL);
        store(DmaProbe.SIZE, 0);
        assertState(STOPPED);
    }

    @Test
    void injectError_configLoad_allOnes() {
        openPower8();
        assertEquals("0", inject(0, LOAD_CONFIG, 0, 0));
        assertEquals("4 ffffffff", script.run("pread d %d 4".formatted(EXPRESS_FLAGS)));
        assertState(STOPPED);
    }

    @Test
    void injectError_dmaAddress_freezesInThatDirectionOnly() {
        openPower8();
        masterBus();
        assertEquals("0", script.run("mem m 0x10000"));
        assertEquals("0", script.run("reg c m 0x10000"));
        assertEquals("0", script.run("map c m 0 0x10000"));
        assertEquals("0", inject(0, DMA_WRITE, 0x2000, -0x1000));
        transfer(0x2000, DmaProbe.READ);
        transfer(0x3000, DmaProbe.WRITE);
        assertState(NORMAL);
        transfer(0x2ff8, DmaProbe.WRITE);
        assertState(STOPPED);
        FailedDma failed = kernel.host().failedDma().getLast();
        assertEquals(FailedDma.Reason.INJECTED, failed.reason());
        assertEquals(0x2ff8, failed.failedAt());
        assertEquals("0", eeh(ENABLE));
        assertEquals("0", inject(0, DMA_READ, 0, 0));
        transfer(0x3000, DmaProbe.READ);
        assertState(STOPPED);
    }

    @ParameterizedTest
    @ValueSource(ints = {RESET_HOT, RESET_FUNDAMENTAL})
    void eehReset_deactivated_barsReturnWithTheCommandRegister(int reset) {
        openPower8();
        masterBus();
        assertEquals("0", eeh(reset));
        assertState(STOPPED);
        assertEquals("-1 ENODEV", script.run("pread d %d 2".formatted(COMMAND_REGISTER)));
        assertEquals("0", eeh(RESET_DEACTIVATE));
        assertEquals("0", eeh(CONFIGURE));
        assertState(NORMAL);
        assertEquals("2 0201", script.run("pread d %d 2".formatted(COMMAND_REGISTER)));
        HostHazard hazard = assertThrows(HostHazard.class, () -> load(DmaProbe.SIZE));
        String message = String.valueOf(hazard.getMessage());
        assertTrue(message.contains("write its command register"), message);
        masterBus();
        assertEquals(ZEROS, load(DmaProbe.SIZE));
    }

    @Test
    void eehReset_lpar_stateResetAndEio() {
        openLpar();
        assertEquals("0", eeh(RESET_HOT));
        assertState(RESET);
        assertEquals("-1 EIO", script.run("pread d %d 2".formatted(COMMAND_REGISTER)));
        assertEquals("0", eeh(RESET_DEACTIVATE));
        assertState(NORMAL);
    }

    /** As the contract has it for powernv; QEMU's LPAR has no EEH. */
    @Test
    void eehSequence_lparWithInjectedLoadError_stoppedAndThenNormalAgain() {
        openLpar();
        masterBus();
        assertEquals("0", eeh(ENABLE));
        assertState(NORMAL);
        assertEquals("0", inject(0, LOAD_MEMORY, 0, 0));
        assertEquals(ONES, load(DmaProbe.SIZE));
        assertState(STOPPED);
        assertEquals("0", eeh(UNFREEZE_IO));
        assertState(STOPPED_DMA);
        assertEquals(ZEROS, load(DmaProbe.SIZE));
        assertEquals("0", eeh(RESET_HOT));
        assertState(RESET);
        assertEquals("0", eeh(RESET_DEACTIVATE));
        assertEquals("0", eeh(CONFIGURE));
        assertState(NORMAL);
        masterBus();
        assertEquals(ZEROS, load(DmaProbe.SIZE));
    }

    @Test
    void close_frozenPe_thawedUnlessThereIsNoEeh() {
        openPower8();
        kernel.host().freezePe(0);
        assertState(STOPPED);
        script.run("close d");
        assertState(NORMAL);
        open(EmulatedMachine.power8().toBuilder().eeh(false));
        kernel.host().freezePe(0);
        script.run("close d");
        assertEquals(EehState.STOPPED, kernel.host().group(0).state());
        open(EmulatedMachine.power8().toBuilder().freezes(false));
        kernel.host().freezePe(0);
        assertState(NORMAL);
        assertThrows(NoSuchElementException.class, () -> kernel.host().freezePe(9));
    }

    @Test
    void eehFreeze_lpar_loggedWithoutDiagnosticData() {
        openLpar();
        masterBus();
        transfer(0x3000_0000, DmaProbe.WRITE);
        assertState(STOPPED);
        List<String> log = kernel.host().log();
        assertTrue(log.contains("EEH: Frozen PHB#0-PE#10000 detected"));
        assertTrue(log.stream().noneMatch(line -> line.contains("Diag-data")));
    }

    @Test
    void hostRecovery_untilItEnds_unavailable() {
        openPower8();
        EmulatedHost host = kernel.host();
        host.endHostRecovery(0);
        assertState(NORMAL);
        host.beginHostRecovery(0);
        assertState(UNAVAILABLE);
        assertEquals(EehState.UNAVAILABLE, host.group(0).state());
        assertEquals(ONES, load(DmaProbe.SIZE));
        assertEquals("-1 ENODEV", script.run("pread d %d 2".formatted(COMMAND_REGISTER)));
        for (int operation :
                List.of(ENABLE, UNFREEZE_IO, UNFREEZE_DMA, RESET_HOT, RESET_FUNDAMENTAL, RESET_DEACTIVATE)) {
            assertEquals("-1 EIO", eeh(operation));
        }
        assertEquals("-1 EIO", inject(0, LOAD_MEMORY, 0, 0));
        assertEquals("0", eeh(CONFIGURE));
        host.endHostRecovery(0);
        assertState(NORMAL);
        assertEquals(ZEROS, load(DmaProbe.SIZE));
        assertEquals("2 0201", script.run("pread d %d 2".formatted(COMMAND_REGISTER)));
        assertThrows(NoSuchElementException.class, () -> host.beginHostRecovery(9));
    }

    @Test
    void hostRecovery_tooManyInAnHour_disabledForGood() {
        open(EmulatedMachine.power8().toBuilder().maxFreezes(2));
        EmulatedHost host = kernel.host();
        for (int each = 0; each < 2; each++) {
            host.beginHostRecovery(0);
            host.endHostRecovery(0);
            assertState(NORMAL);
        }
        host.beginHostRecovery(0);
        assertTrue(host.log()
                .contains("EEH: PHB#0-PE#fd has failed 3 times in the last hour and has been permanently disabled."));
        host.endHostRecovery(0);
        assertState(STOPPED);
        assertEquals("-1 EIO", eeh(UNFREEZE_IO));
        assertEquals("-1 EIO", eeh(RESET_HOT));
        assertEquals(ONES, load(DmaProbe.SIZE));
        script.run("close d");
        script.run("getdev d g " + ADDRESS);
        assertState(STOPPED);
    }

    @Test
    void userFreezes_many_neverDisabled() {
        openPower8();
        for (int each : IntStream.range(0, 10).toArray()) {
            inject(0, LOAD_MEMORY, 0, 0);
            load(DmaProbe.SIZE);
            assertState(STOPPED);
            assertEquals("0", eeh(ENABLE), () -> "freeze " + each);
        }
    }

    @Test
    void disablePe_anyTime_stopped() {
        openPower8();
        kernel.host().disablePe(0);
        assertState(STOPPED);
        assertEquals("-1 EIO", eeh(ENABLE));
    }

    @Test
    void beginHostRecovery_anHourLater_countsAnew() {
        EmulatedMachine machine =
                EmulatedMachine.power8().toBuilder().maxFreezes(1).build();
        Pe pe = new Pe(
                new PeName("pe ", 0, 0xfd),
                machine,
                machine.bridge(0),
                new Ioda2Calls(),
                new DmaLog(new KernelLog()),
                new PhysicalMemory(machine.memoryBytes(), Map.of()));
        long hour = TimeUnit.HOURS.toMicros(1);
        for (long time : new long[] {0, hour + 1}) {
            pe.beginHostRecovery(time);
            assertTrue(pe.endHostRecovery());
        }
        pe.beginHostRecovery(hour + 2);
        assertEquals(EehState.STOPPED, pe.state());
    }

    @Test
    void build_negativeMaxFreezes_refused() {
        EmulatedMachine.Builder machine = EmulatedMachine.power8().toBuilder().maxFreezes(-1);
        assertThrows(IllegalArgumentException.class, machine::build);
    }
}
