package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

@Timeout(120)
class FaultChoiceTest {
    @TempDir
    private Path directory = Path.of("");

    private Path plan(String text) throws IOException {
        return Files.writeString(directory.resolve("plan.json"), text);
    }

    @Test
    void faults_refusedMap_commandFailsAndNamesTheFault() throws IOException {
        Path plan =
                plan("{\"faults\": [{\"on\": \"ioctl\", \"request\": \"VFIO_IOMMU_MAP_DMA\", \"errno\": \"ENOMEM\"}]}");
        Ran ran = Ran.of("demo", "--faults", plan.toString());
        assertEquals(Failure.FAILED, ran.status());
        assertTrue(ran.err().startsWith("jvfio: fault: ioctl VFIO_IOMMU_MAP_DMA of "), ran.err());
        assertTrue(ran.err().contains("ENOMEM"), ran.err());
        assertFalse(ran.err().contains("\tat "), ran.err());
    }

    @Test
    void faults_delayedInterrupt_commandSucceeds() throws IOException {
        Path plan = plan("{\"faults\": [{\"on\": \"interrupt\", \"nth\": 3, \"delayMicros\": 100}]}");
        Ran ran = Ran.of("nvme identify --completion msix", "--faults", plan.toString())
                .ok();
        assertTrue(ran.err().startsWith("jvfio: fault: interrupt of vector "), ran.err());
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 2, 3, 4})
    void faultSeed_demo_doneOrOneLineWithoutAStackTrace(int seed) {
        Ran ran = Ran.of("demo --fault-seed " + seed);
        assertTrue(ran.status() == 0 || ran.status() == Failure.FAILED, ran.err());
        assertFalse(ran.err().contains("\tat "), ran.err());
    }

    @Test
    void faults_fileThatIsNotThereOrNoPlan_oneLine() throws IOException {
        Path none = directory.resolve("none.json");
        assertEquals(
                "jvfio: cannot read the faults %s: there is no such file or directory%n".formatted(none),
                Ran.of("demo", "--faults", none.toString()).err());
        Path truncated = plan("{\"faults\": [");
        Ran ran = Ran.of("demo", "--faults", truncated.toString());
        assertEquals(Failure.FAILED, ran.status());
        assertTrue(
                ran.err().startsWith("jvfio: cannot use the faults: " + truncated + ", line 1 is not JSON: "),
                ran.err());
        assertEquals(1, ran.err().lines().count(), ran.err());
    }

    @Test
    void faults_deviceThatIsNotThere_oneLine() throws IOException {
        Path plan = plan("{\"faults\": [{\"on\": \"poll\", \"removed\": \"00ff:01:00.0\"}]}");
        Ran ran = Ran.of("demo", "--faults", plan.toString());
        assertEquals(Failure.FAILED, ran.status());
        assertTrue(ran.err().contains("the host has no device 00ff:01:00.0"), ran.err());
        assertEquals(1, ran.err().lines().count(), ran.err());
    }

    @Test
    void faults_withSeedOrOnLinux_usage() throws IOException {
        Path plan = plan("{\"faults\": []}");
        Ran both = Ran.of("demo --fault-seed 1", "--faults", plan.toString());
        assertEquals(Failure.USAGE, both.status());
        assertEquals("jvfio: --faults and --fault-seed exclude each other\n", both.err());
        Ran linux = Ran.of("demo --kernel linux --fault-seed 1");
        assertEquals(Failure.USAGE, linux.status());
        assertEquals("jvfio: --fault-seed is for an emulated host; leave it out, or --kernel linux\n", linux.err());
        assertEquals(Failure.USAGE, Ran.of("demo --fault-seed x").status());
    }
}
