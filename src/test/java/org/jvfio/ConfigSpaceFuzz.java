package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;

/** Any bytes as a configuration space: the walk of the capability lists ends, and what it finds is inside. */
public final class ConfigSpaceFuzz {
    private static final int HEADER = 64;
    private static final int STANDARD = 256;
    private static final int EXTENDED = 4096;

    private ConfigSpaceFuzz() {}

    /** One input: called by the fuzzer, and for each file of the corpus. */
    public static void fuzzerTestOneInput(byte[] bytes) {
        int size = bytes.length <= HEADER ? HEADER : bytes.length <= STANDARD ? STANDARD : EXTENDED;
        CapabilityWalk walk = new CapabilityWalk(new ConfigDump("fuzzed", Arrays.copyOf(bytes, size)))
                .standard()
                .extended();
        List<Integer> offsets = walk.found().stream().map(PciCapability::offset).toList();
        assertEquals(offsets.size(), offsets.stream().distinct().count(), () -> "found twice: " + offsets);
        assertTrue(offsets.stream().allMatch(offset -> offset >= HEADER && offset <= size - 4), offsets::toString);
        assertTrue(offsets.stream().allMatch(offset -> offset % 4 == 0), offsets::toString);
        walk.found().forEach(found -> assertTrue(!found.toString().isEmpty()));
        // One at the end of each list, and one for each capability that does not fit.
        assertTrue(
                walk.defects().size() <= offsets.size() + 2,
                () -> walk.defects().toString());
        walk.defects().forEach(defect -> assertTrue(defect.offset() < size, defect::toString));
    }
}
