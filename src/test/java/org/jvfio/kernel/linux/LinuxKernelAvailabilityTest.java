package org.jvfio.kernel.linux;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class LinuxKernelAvailabilityTest {
    @TempDir
    private Path directory;

    @Test
    void unavailable_otherSystem_saidFirst() {
        assertEquals(
                "VFIO is a part of Linux, and this is Mac OS X: use the emulated kernel.",
                reason("Mac OS X", "aarch64", false, absent()));
    }

    @Test
    void unavailable_otherProcessor_saidBeforeNativeAccess() {
        assertEquals(
                "VFIO with the SPAPR TCE IOMMU is for ppc64le, and this Java runs on amd64:"
                        + " use the emulated kernel, or a machine with POWER8 or newer.",
                reason("Linux", "amd64", false, absent()));
    }

    @Test
    void unavailable_noNativeAccess_namesTheOption() {
        assertEquals(
                "System calls need native access, and this Java was started without it:"
                        + " start it with --enable-native-access=org.jvfio.",
                reason("Linux", "ppc64le", false, absent()));
    }

    @Test
    void unavailable_noContainerDevice_namesTheModule() {
        assertEquals(
                "There is no " + absent() + ", so VFIO is not loaded: modprobe vfio-pci.",
                reason("Linux", "ppc64le", true, absent()));
    }

    @Test
    void unavailable_allIsThere_empty() throws Exception {
        Path container = Files.createFile(absent());
        assertEquals(Optional.empty(), LinuxKernel.unavailable("Linux", "ppc64le", "org.jvfio", true, container));
    }

    @Test
    void open_unavailable_failsWithTheReason() {
        Optional<String> reason = LinuxKernel.unavailable();
        assumeTrue(reason.isPresent(), "VFIO is available here");
        UnsupportedOperationException refused = assertThrows(UnsupportedOperationException.class, LinuxKernel::open);
        assertEquals(reason.get(), refused.getMessage());
    }

    @Test
    void unavailable_javaWithoutNativeAccess_present() {
        assumeTrue(!LinuxKernel.class.getModule().isNativeAccessEnabled(), "native access is enabled here");
        assertTrue(LinuxKernel.unavailable().isPresent());
    }

    private Path absent() {
        return directory.resolve("vfio");
    }

    private static String reason(String system, String architecture, boolean nativeAccess, Path container) {
        return LinuxKernel.unavailable(system, architecture, "org.jvfio", nativeAccess, container)
                .orElseThrow();
    }
}
