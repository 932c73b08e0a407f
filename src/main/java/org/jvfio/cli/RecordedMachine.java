package org.jvfio.cli;

import java.nio.ByteOrder;
import java.util.Optional;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.FunctionOptions;
import org.jvfio.emulator.KernelVersion;
import org.jvfio.emulator.edu.EmulatedEdu;
import org.jvfio.emulator.nvme.EmulatedNvme;
import org.jvfio.observe.HostFacts;
import org.jvfio.observe.HostFacts.RecordedDevice;

/** The emulated machine that is like the host of a record. */
final class RecordedMachine {
    private static final String EDU = "1234:11e8";
    private static final String QEMU_NVME = "1b36:0010";
    /** Its machine whose kernel finds 256 bytes of configuration space in each device. */
    private static final String QEMU_WITHOUT_EXTENDED = "power8";

    private static final int PAGES_4K = 4096;

    private RecordedMachine() {}

    /**
     * Makes the machine: its platform, kernel version and page size are those of the record; so are the addresses and
     * groups of its edu and NVMe devices. Those of QEMU freeze nothing.
     *
     * @throws Failure if the record does not say what the host was, or such a host cannot be emulated
     */
    static EmulatedMachine of(HostFacts facts) throws Failure {
        String preset = preset(facts);
        EmulatedMachine.Builder builder = EmulatedMachine.preset(preset)
                .orElseThrow(
                        () -> Failure.failed("cannot emulate the host of the record: there is no preset " + preset))
                .toBuilder()
                .withoutDevices();
        Optional<String> release = facts.value("release");
        if (release.isPresent() && KernelVersion.of(release.get()).isPresent()) {
            builder.linux(release.get());
        }
        if (facts.value("pageBytes").equals(Optional.of(Integer.toString(PAGES_4K)))) {
            builder.pages4K();
        } else {
            builder.pages64K();
        }
        try {
            boolean isQemu = false;
            for (RecordedDevice device : facts.devices()) {
                if (device.id().equals(EDU)) {
                    builder.device(device.address(), device.group(), RecordedMachine::edu);
                    isQemu = true;
                } else if (device.id().equals(QEMU_NVME)) {
                    builder.device(device.address(), device.group(), EmulatedNvme.builder()::build)
                            .function(
                                    device.address(),
                                    FunctionOptions.builder()
                                            .extendedConfig(!preset.equals(QEMU_WITHOUT_EXTENDED))
                                            .build());
                    isQemu = true;
                }
            }
            return builder.freezes(!isQemu && !preset.equals("pseries")).build();
        } catch (IllegalArgumentException e) {
            throw Failure.failed("cannot emulate the host of the record: " + e.getMessage());
        }
    }

    /** As QEMU has it on POWER. */
    private static EmulatedEdu edu() {
        return new EmulatedEdu(ByteOrder.BIG_ENDIAN, -1, EmulatedEdu.QEMU_LATENCY);
    }

    private static String preset(HostFacts facts) throws Failure {
        if (facts.value("platform").equals(Optional.of("pSeries"))) {
            return "pseries";
        }
        String processor = facts.value("processor").orElse("");
        if (processor.matches("(?i)POWER[0-9]+.*")) {
            return "power" + processor.replaceFirst("(?i)POWER([0-9]+).*", "$1");
        }
        throw Failure.failed(
                "cannot emulate the host of the record: it does not say which platform that was;" + " use --machine");
    }
}
