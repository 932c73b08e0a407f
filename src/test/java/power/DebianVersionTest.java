package power;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The order of Debian's versions. */
class DebianVersionTest {
    @Test
    void compare_versionsOfKernelsAndOthers_asDpkgDoes() {
        List<DebianVersion> ascending = Arrays.stream(new String[] {
                    "0~~",
                    "0~",
                    "0",
                    "0+",
                    "6.1.0-50",
                    "6.12.94-1",
                    "6.12.107-1~bpo12+1",
                    "6.12.107-1",
                    "6.12.107-1+b1",
                    "6.12.117-1",
                    "7.2.13-1",
                    "7.3~rc7-1~exp1",
                    "7.3-1",
                    "7.3.1-1",
                    "7.3.a-1",
                    "1:0.1-1",
                    "2:0~1-1"
                })
                .map(DebianVersion::new)
                .toList();
        List<DebianVersion> mixed = new java.util.ArrayList<>(ascending);
        Collections.shuffle(mixed, new java.util.Random(1));
        Collections.sort(mixed);
        assertEquals(ascending, mixed);
    }

    @ParameterizedTest
    @CsvSource({"1.0-1, 1.0-1", "1.01, 1.1", "0:1.1, 1.1"})
    void compare_sameVersionWrittenTwice_zero(String one, String other) {
        assertEquals(0, new DebianVersion(one).compareTo(new DebianVersion(other)));
    }
}
