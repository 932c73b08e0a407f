package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.NoSuchFileException;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.ForwardingKernel;

class HostPlatformTest {
    private static final String CPUINFO = "/proc/cpuinfo";

    /** A kernel whose /proc/cpuinfo has another text, or none, and that counts how often it is read. */
    private static final class OtherCpuinfo extends ForwardingKernel {
        private final @Nullable String text;
        private int reads;

        OtherCpuinfo(Kernel behind, @Nullable String text) {
            super(behind);
            this.text = text;
        }

        @Override
        public String readFile(String path) throws IOException {
            if (!path.equals(CPUINFO)) {
                return super.readFile(path);
            }
            reads++;
            if (text == null) {
                throw new NoSuchFileException(path);
            }
            return text;
        }
    }

    private static Kernel kernel(EmulatedMachine machine) {
        return EmulatedKernel.boot(machine);
    }

    private static boolean attachedIsPowernv(Kernel kernel) {
        try (Container container = Container.open(kernel)) {
            container.attach(PciFunction.all(kernel).getFirst().group().orElseThrow());
            return container.iommuInfo().isPowernv();
        }
    }

    @Test
    void of_emulatedMachines_theirPlatform() {
        assertEquals(HostPlatform.POWERNV, HostPlatform.of(kernel(EmulatedMachine.power8())));
        assertEquals(HostPlatform.POWERNV, HostPlatform.of(kernel(EmulatedMachine.power10())));
        assertEquals(HostPlatform.PSERIES, HostPlatform.of(kernel(EmulatedMachine.pseries())));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "platform\t: Maple\n",
                "platform\t: PowerNV2\n",
                "machine\t\t: PowerNV emulated\n",
                "my platform\t: PowerNV\n"
            })
    void of_noKnownPlatformInTheFile_unknown(String text) {
        assertEquals(HostPlatform.UNKNOWN, HostPlatform.of(new OtherCpuinfo(kernel(EmulatedMachine.power8()), text)));
    }

    @Test
    void of_noSuchFile_unknown() {
        assertEquals(HostPlatform.UNKNOWN, HostPlatform.of(new OtherCpuinfo(kernel(EmulatedMachine.power8()), null)));
    }

    @Test
    void openContainer_unreadableFile_permission() {
        TestHost host = new TestHost();
        Kernel unreadable = new ForwardingKernel(host.kernel()) {
            @Override
            public String readFile(String path) throws IOException {
                if (path.equals(CPUINFO)) {
                    throw new AccessDeniedException(path);
                }
                return super.readFile(path);
            }
        };
        VfioException e = assertThrows(VfioException.class, () -> Container.open(unreadable));
        assertEquals(VfioException.Kind.PERMISSION, e.kind());
        host.assertAllGivenBack();
    }

    @ParameterizedTest
    @CsvSource({
        "POWERNV, 1, true",
        "POWERNV, 5, true",
        "PSERIES, 1, false",
        "PSERIES, 2, false",
        "UNKNOWN, 0, false",
        "UNKNOWN, 1, false",
        "UNKNOWN, 5, true",
    })
    void isPowernv_anyLevels_decidesOnlyWhereUnknown(HostPlatform platform, int maxLevels, boolean powernv) {
        assertEquals(powernv, platform.isPowernv(maxLevels));
    }

    @Test
    void iommuInfo_platformNamed_notGuessedFromLevels() {
        assertFalse(attachedIsPowernv(new OtherCpuinfo(kernel(EmulatedMachine.power8()), "platform\t: pSeries\n")));
        assertTrue(attachedIsPowernv(new OtherCpuinfo(kernel(EmulatedMachine.pseries()), "platform\t: PowerNV\n")));
    }

    @Test
    void iommuInfo_version1OnPowernv_isPowernv() {
        assertTrue(attachedIsPowernv(kernel(EmulatedMachine.power7())));
    }

    @Test
    void iommuInfo_noCpuinfo_guessedFromLevels() {
        assertTrue(attachedIsPowernv(new OtherCpuinfo(kernel(EmulatedMachine.power8()), null)));
        assertFalse(attachedIsPowernv(new OtherCpuinfo(kernel(EmulatedMachine.pseries()), null)));
    }

    @Test
    void attach_severalGroups_cpuinfoReadOnce() {
        OtherCpuinfo kernel = new OtherCpuinfo(kernel(EmulatedMachine.power8()), "platform\t: PowerNV\n");
        try (Container container = Container.open(kernel)) {
            container.attach(0);
            container.attach(1);
            container.createWindow(PageSize.SIZE_64K, 1L << 30, 1);
            assertEquals(1, kernel.reads);
        }
    }
}
