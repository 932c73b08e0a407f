package org.jvfio.contract.host;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.jvfio.emulator.EmulatedHost;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.GroupView;
import org.jvfio.emulator.Hazard;
import org.jvfio.emulator.HazardPolicy;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.emulator.Platform;
import org.jvfio.observe.sanitize.ExpectedFindings;
import org.jvfio.observe.sanitize.Sanitizer;

/** An emulated host, booted anew for every process. */
public record EmulatedContractHost(String name, EmulatedMachine machine) implements ContractHost {

    @Override
    public Platform platform() {
        return machine.platform();
    }

    @Override
    public KernelVersion version() {
        return machine.kernel();
    }

    @Override
    public boolean hasEeh() {
        return isPowernv();
    }

    @Override
    public boolean freezes() {
        return isPowernv();
    }

    @Override
    public boolean resetsReliably() {
        return true;
    }

    @Override
    public boolean hasExtendedConfig() {
        return true;
    }

    @Override
    public boolean takesPower() {
        return true;
    }

    @Override
    public EmulatedMachine mirror() {
        return machine.toBuilder().hazards(HazardPolicy.STOP).build();
    }

    @Override
    public List<PciDevice> devices() {
        EmulatedHost host = EmulatedKernel.boot(machine).host();
        return host.groups().stream()
                .map(group -> new PciDevice(host.group(group).devices().getFirst(), group))
                .toList();
    }

    @Override
    public ScriptedProcess startScripted() {
        EmulatedKernel kernel = EmulatedKernel.boot(machine);
        return ScriptedProcess.of(kernel, () -> {
            // The mirror stops at all other hazards.
            boolean leaked = kernel.host().hazards().contains(Hazard.REGISTRATION_LEAK);
            assertTrue(leaked || kernel.host().hazards().isEmpty());
            assertEquals(leaked, kernel.host().userMemoryBytes() != 0);
        });
    }

    @Override
    public int randomSequences() {
        return 30;
    }

    @Override
    public VfioProcess start() {
        return process(EmulatedKernel.boot(machine));
    }

    @Override
    public VfioProcess startWatched(ExpectedFindings expected) {
        Sanitizer sanitizer = new Sanitizer();
        EmulatedKernel kernel = EmulatedKernel.boot(machine, sanitizer.devices());
        return new VfioProcess(
                sanitizer.around(kernel, kernel.host()), kernel::capIpcLock, () -> SecondProcess.of(kernel), () -> {
                    exit(kernel);
                    expected.requireIn(sanitizer);
                });
    }

    /** The process of an emulated kernel; when it ends, the host must have all groups. */
    public static VfioProcess process(EmulatedKernel kernel) {
        return new VfioProcess(kernel, kernel::capIpcLock, () -> SecondProcess.of(kernel), () -> exit(kernel));
    }

    /** Ends the process of an emulated kernel, the last one of its host, which must then have all groups as at boot. */
    public static void exit(EmulatedKernel kernel) {
        kernel.exit();
        EmulatedHost fresh = EmulatedKernel.boot(kernel.host().machine()).host();
        for (int group : kernel.host().groups()) {
            GroupView view = kernel.host().group(group);
            assertTrue(view.ownedByHost() && !view.open(), view::toString);
            assertEquals(fresh.group(group).windows(), view.windows());
            assertEquals(fresh.group(group).bypass(), view.bypass());
        }
    }

    @Override
    public String toString() {
        return name;
    }
}
