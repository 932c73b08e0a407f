package org.jvfio;

import java.util.HexFormat;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The address of a PCI function: {@code domain:bus:device.function}, all in hexadecimal, as in {@code 0000:01:00.0}.
 *
 * <p>The domain is required: on POWER each PCI host bridge is a domain, and VFIO names devices by the full address.
 *
 * @param domain 0 to 0x7fffffff, in four digits or more
 * @param bus 0 to 0xff
 * @param device 0 to 0x1f
 * @param function 0 to 7
 */
public record PciAddress(int domain, int bus, int device, int function) implements Comparable<PciAddress> {
    private static final Pattern SYNTAX =
            Pattern.compile("([0-9a-fA-F]{4,8}):([0-9a-fA-F]{2}):([0-9a-fA-F]{2})\\.([0-7])");
    private static final Pattern WITHOUT_DOMAIN = Pattern.compile("[0-9a-fA-F]{2}:[01][0-9a-fA-F]\\.[0-7]");

    public PciAddress {
        if (domain < 0 || bus < 0 || bus > 0xff || device < 0 || device > 0x1f || function < 0 || function > 7) {
            throw new IllegalArgumentException(
                    ("invalid PCI address: domain 0x%x, bus 0x%x, device 0x%x, function %d; the maximum is bus ff,"
                                    + " device 1f, function 7")
                            .formatted(domain, bus, device, function));
        }
    }

    /**
     * Parses an address.
     *
     * @throws IllegalArgumentException if the text is no address; the message shows the syntax
     */
    public static PciAddress parse(String text) {
        Matcher matcher = SYNTAX.matcher(text);
        if (!matcher.matches()) {
            String missing =
                    WITHOUT_DOMAIN.matcher(text).matches() ? "; its domain is missing: 0000:" + text + "?" : "";
            throw new IllegalArgumentException("'" + text + "' is not a PCI address such as 0000:01:00.0" + missing);
        }
        long domain = Long.parseLong(matcher.group(1), 16);
        int device = Integer.parseInt(matcher.group(3), 16);
        if (domain > Integer.MAX_VALUE || device > 0x1f) {
            throw new IllegalArgumentException("'" + text + "' is not a PCI address such as 0000:01:00.0: "
                    + (device > 0x1f ? "a bus has devices 00 to 1f" : "the domain is above 7fffffff"));
        }
        return new PciAddress(
                (int) domain, Integer.parseInt(matcher.group(2), 16), device, Integer.parseInt(matcher.group(4)));
    }

    // Those that the compiler makes for a record are linked at run time, which takes longer than a short command.
    @Override
    public boolean equals(Object other) {
        return other instanceof PciAddress address && compareTo(address) == 0;
    }

    @Override
    public int hashCode() {
        return 31 * domain + inDomain();
    }

    @Override
    public int compareTo(PciAddress other) {
        int byDomain = Integer.compare(domain, other.domain);
        return byDomain != 0 ? byDomain : Integer.compare(inDomain(), other.inDomain());
    }

    /** Bus, device and function as one number. */
    private int inDomain() {
        return bus << 8 | device << 3 | function;
    }

    /** The name in sysfs and VFIO, as in {@code 0000:01:00.0}. */
    @Override
    public String toString() {
        // Every path of sysfs has it.
        HexFormat hex = HexFormat.of();
        String inDomain = ":" + hex.toHexDigits((byte) bus) + ":" + hex.toHexDigits((byte) device) + "." + function;
        return (domain <= 0xffff ? hex.toHexDigits((short) domain) : Integer.toHexString(domain)) + inDomain;
    }
}
