package org.jvfio.contract.host;

import java.nio.ByteOrder;
import java.time.Duration;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.ArgumentsProvider;
import org.junit.jupiter.params.support.ParameterDeclarations;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.HazardPolicy;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.emulator.edu.EmulatedEdu;
import org.jvfio.emulator.nvme.DrivePreset;
import org.jvfio.emulator.nvme.EmulatedNvme;

/** The hosts that the contract is checked on. */
public final class Hosts implements ArgumentsProvider {
    private static final long MIB = 1L << 20;

    public static final EmulatedMachine P5IOC2 = onPowernv(EmulatedMachine.p5ioc2(), 16 * MIB);
    public static final EmulatedMachine POWER7 = onPowernv(EmulatedMachine.power7(), 16 * MIB);
    public static final EmulatedMachine POWER8 = onPowernv(EmulatedMachine.power8(), 16 * MIB);
    public static final EmulatedMachine POWER9 = onPowernv(EmulatedMachine.power9(), 2 * MIB);
    public static final EmulatedMachine POWER10 = onPowernv(EmulatedMachine.power10(), 2 * MIB);
    public static final EmulatedMachine POWER11 = onPowernv(EmulatedMachine.power11(), 2 * MIB);
    /** As a guest of QEMU, which has no EEH and drops the DMA that it cannot translate. */
    public static final EmulatedMachine PSERIES = derived(EmulatedMachine.pseries())
            .freezes(false)
            .hugePages(2 * MIB, 4)
            .device("0001:00:01.0", 1, Hosts::edu)
            .device("0002:00:01.0", 2, Hosts::edu)
            .device("0003:00:01.0", 3, Hosts::nvme)
            .rom("0003:00:01.0", RomImage.ofNvme())
            .build();

    /** Those, and hosts that lend their table, which type 2 alone can have. */
    public static final class OfType2 implements ArgumentsProvider {
        @Override
        public Stream<Arguments> provideArguments(ParameterDeclarations parameters, ExtensionContext context) {
            return hosts(Stream.concat(emulated(), lending()));
        }
    }

    @Override
    public Stream<Arguments> provideArguments(ParameterDeclarations parameters, ExtensionContext context) {
        return hosts(emulated());
    }

    private static Stream<Arguments> hosts(Stream<EmulatedContractHost> emulated) {
        return switch (System.getProperty("jvfio.kernel", "emulated")) {
            case "emulated" -> emulated.map(Arguments::of);
            case "linux" -> Stream.of(Arguments.of(new LinuxContractHost()));
            default -> throw new IllegalArgumentException("jvfio.kernel is 'emulated' or 'linux'");
        };
    }

    public static Stream<EmulatedContractHost> emulated() {
        return Stream.of(
                new EmulatedContractHost("POWER8", POWER8),
                new EmulatedContractHost(
                        "POWER8 with 4K pages", POWER8.toBuilder().pages4K().build()),
                new EmulatedContractHost("POWER9", POWER9),
                new EmulatedContractHost(
                        "POWER9 with 4K pages and Linux 7.2",
                        POWER9.toBuilder().pages4K().kernel(KernelVersion.V7_2).build()),
                new EmulatedContractHost("POWER10", POWER10),
                new EmulatedContractHost(
                        "POWER11 with Linux 7.3",
                        POWER11.toBuilder().kernel(KernelVersion.V7_3).build()),
                new EmulatedContractHost("LPAR", PSERIES));
    }

    private static Stream<EmulatedContractHost> lending() {
        return Stream.of(
                new EmulatedContractHost("P5IOC2 with Linux 4.2", P5IOC2),
                new EmulatedContractHost("POWER7 with Linux 4.2", POWER7),
                new EmulatedContractHost(
                        "POWER7 with Linux 5.0",
                        POWER7.toBuilder().kernel(KernelVersion.V5_0).build()),
                new EmulatedContractHost(
                        "LPAR with Linux 5.0",
                        PSERIES.toBuilder().kernel(KernelVersion.V5_0).build()));
    }

    private static EmulatedMachine onPowernv(EmulatedMachine machine, long hugePage) {
        return derived(machine)
                .hugePages(hugePage, 4)
                .device("0000:01:00.0", 0, Hosts::edu)
                .device("0001:01:00.0", 1, Hosts::edu)
                .device("0002:01:00.0", 2, Hosts::nvme)
                .rom("0002:01:00.0", RomImage.ofNvme())
                .build();
    }

    /** Answers as Linux does, also where it warns or leaks; the calls that harm a host are not made. */
    private static EmulatedMachine.Builder derived(EmulatedMachine machine) {
        return machine.toBuilder().hazards(HazardPolicy.AS_LINUX).withoutDevices();
    }

    /** As the drive of {@code scripts/power}. */
    public static EmulatedNvme nvme() {
        return DrivePreset.QEMU.builder().build();
    }

    public static EmulatedEdu edu() {
        return new EmulatedEdu(ByteOrder.BIG_ENDIAN, -1, Duration.ZERO);
    }
}
