package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PciAddressTest {
    @Test
    void parse_hexadecimal_addressAndText() {
        PciAddress address = PciAddress.parse("00aB:c1:1f.7");
        assertEquals(new PciAddress(0xab, 0xc1, 0x1f, 7), address);
        assertEquals("00ab:c1:1f.7", address.toString());
    }

    @Test
    void parse_fiveDigitDomain_kept() {
        assertEquals("10000:01:00.0", PciAddress.parse("10000:01:00.0").toString());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "0000",
                "0000:01:00",
                "0000:01:00.8",
                "0000:01:20.0",
                "0000:1:00.0",
                "000:01:00.0",
                "0000:01:00.0 ",
                "0000-01-00.0",
                "80000000:01:00.0",
                "000000000:01:00.0",
                "gggg:01:00.0"
            })
    void parse_noAddress_illegalArgumentWithExample(String text) {
        String message = String.valueOf(assertThrows(IllegalArgumentException.class, () -> PciAddress.parse(text))
                .getMessage());
        assertTrue(message.startsWith("'" + text + "' is not a PCI address such as 0000:01:00.0"), message);
    }

    @Test
    void parse_noDomain_illegalArgument() {
        String message = String.valueOf(assertThrows(IllegalArgumentException.class, () -> PciAddress.parse("01:00.0"))
                .getMessage());
        assertTrue(message.endsWith("its domain is missing: 0000:01:00.0?"), message);
    }

    @Test
    void new_outOfRange_illegalArgument() {
        assertThrows(IllegalArgumentException.class, () -> new PciAddress(0, 0x100, 0, 0));
        assertThrows(IllegalArgumentException.class, () -> new PciAddress(0, 0, 0x20, 0));
        assertThrows(IllegalArgumentException.class, () -> new PciAddress(0, 0, 0, 8));
        assertThrows(IllegalArgumentException.class, () -> new PciAddress(-1, 0, 0, 0));
    }

    @Test
    void compareTo_addresses_domainBusDeviceFunction() {
        List<String> sorted = List.of("0000:00:00.1", "0000:00:01.0", "0000:01:00.0", "0001:00:00.0", "10000:00:00.0");
        assertEquals(
                sorted,
                Stream.of(4, 1, 3, 0, 2)
                        .map(i -> PciAddress.parse(sorted.get(i)))
                        .sorted()
                        .map(PciAddress::toString)
                        .toList());
    }
}
