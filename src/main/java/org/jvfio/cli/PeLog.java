package org.jvfio.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jvfio.IommuGroup;
import org.jvfio.IovaRange;
import org.jvfio.KernelLog;
import org.jvfio.PageSize;
import org.jvfio.PciAddress;
import org.jvfio.VfioException;
import org.jvfio.kernel.Kernel;

/**
 * What the platform does with the PE of a device, as the kernel's log tells: it is the only place where the host's own
 * window and bypass can be seen.
 */
final class PeLog implements AutoCloseable {
    private static final Pattern OF_PE = Pattern.compile("pci ([0-9a-f]+):\\S*\\s*: \\[PE# ([0-9a-f]+)] (.*)");
    private static final Pattern SET_UP =
            Pattern.compile("Setting up window#(\\d+) ([0-9a-f]+)\\.\\.([0-9a-f]+) pg=([0-9a-f]+)");
    private static final Pattern REMOVED = Pattern.compile("Removing DMA window #(\\d+)");
    private static final Pattern BYPASS = Pattern.compile("(Enabling|Disabling) 64-bit DMA bypass");

    private final PciAddress device;
    private final int pe;
    private final Optional<KernelLog> log;
    private final String silence;
    private final Map<Integer, Window> windows = new TreeMap<>();
    private Optional<Boolean> bypass = Optional.empty();

    /** A window as the log shows it. */
    record Window(IovaRange range, PageSize page) {}

    private PeLog(PciAddress device, int pe, Optional<KernelLog> log, String silence) {
        this.device = device;
        this.pe = pe;
        this.log = log;
        this.silence = silence;
    }

    /**
     * Opens the log and reads what it already has; a log that may not be read tells nothing, and {@link #describe} why.
     */
    static PeLog open(Kernel kernel, IommuGroup group, PciAddress device) {
        int pe = group.pe().orElse(-1);
        Optional<KernelLog> opened;
        try {
            opened = Optional.of(KernelLog.open(kernel));
        } catch (VfioException e) {
            return new PeLog(device, pe, Optional.empty(), "its windows are not known: " + e.getMessage());
        }
        PeLog log = new PeLog(device, pe, opened, "the kernel's log does not tell its windows");
        try {
            log.read();
            return log;
        } catch (RuntimeException e) {
            log.close();
            throw e;
        }
    }

    /** What came since the last call about windows and bypass of the PE, or about the device. */
    List<String> read() {
        List<String> news = new ArrayList<>();
        String ofDevice = device + ": ";
        for (String line : log.map(KernelLog::read).orElse(List.of())) {
            Matcher matcher = OF_PE.matcher(line);
            if (matcher.matches() && isOfPe(matcher)) {
                if (follow(matcher.group(3))) {
                    news.add(matcher.group(3));
                }
            } else if (line.contains(ofDevice)) {
                news.add(line.substring(line.indexOf(ofDevice) + ofDevice.length()));
            }
        }
        return news;
    }

    private boolean isOfPe(Matcher matcher) {
        return Integer.parseInt(matcher.group(1), 16) == device.domain()
                && Integer.parseInt(matcher.group(2), 16) == pe;
    }

    private boolean follow(String message) {
        Matcher matcher = SET_UP.matcher(message);
        if (matcher.matches()) {
            long start = Long.parseUnsignedLong(matcher.group(2), 16);
            long last = Long.parseUnsignedLong(matcher.group(3), 16);
            windows.put(
                    Integer.valueOf(matcher.group(1)),
                    new Window(
                            new IovaRange(start, last - start + 1),
                            PageSize.of(Long.parseUnsignedLong(matcher.group(4), 16))));
            return true;
        }
        matcher = REMOVED.matcher(message);
        if (matcher.matches()) {
            windows.remove(Integer.valueOf(matcher.group(1)));
            return true;
        }
        matcher = BYPASS.matcher(message);
        if (matcher.matches()) {
            bypass = Optional.of(matcher.group(1).equals("Enabling"));
            return true;
        }
        return false;
    }

    /** The windows that the PE has now, by number. */
    Map<Integer, Window> windows() {
        return new TreeMap<>(windows);
    }

    /** Whether 64-bit bypass is on; empty where the log does not tell. */
    Optional<Boolean> bypass() {
        return bypass;
    }

    /** The windows and the bypass that the PE has now, as data; "bypass" is missing where the log does not tell. */
    Map<String, Object> data() {
        Map<String, Object> data = new LinkedHashMap<>();
        bypass.ifPresent(on -> data.put("bypass", on));
        List<Map<String, Object>> list = new ArrayList<>();
        windows.forEach((number, window) -> list.add(Json.object(
                "number",
                number,
                "start",
                "0x%x".formatted(window.range().start()),
                "size",
                window.range().size(),
                "pageSize",
                window.page().bytes())));
        data.put("windows", list);
        return data;
    }

    /** The same in words, of a PE that is known to have an owner. */
    String describe(String owner) {
        if (bypass.isEmpty() && windows.isEmpty()) {
            return owner + " (" + silence + ")";
        }
        List<String> parts = new ArrayList<>();
        bypass.ifPresent(on -> parts.add("64-bit bypass " + (on ? "on" : "off")));
        windows.forEach((number, window) ->
                parts.add("window %s %s with %s pages".formatted(number, window.range(), window.page())));
        if (windows.isEmpty()) {
            parts.add("no window");
        }
        return owner + ": " + String.join(", ", parts);
    }

    @Override
    public void close() {
        log.ifPresent(KernelLog::close);
    }
}
