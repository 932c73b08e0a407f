package org.jvfio.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What each command that has --json answers on a sound host, and on hosts that something is wrong with. */
class CommandsOnHostsTest {
    private static final String EDU = "0001:01:00.0";
    private static final String LPAR_EDU = "0001:00:01.0";
    /** Of these, what is measured differs each time: their JSON is checked, and what they answer if they fail. */
    private static final List<String> MEASURED = List.of("bench", "nvme bench", "nvme verify");

    private static final Map<String, List<String>> LINES = Map.ofEntries(
            Map.entry("doctor", List.of("{device}")),
            Map.entry("devices", List.of("--pci-ids {ids}")),
            Map.entry("groups", List.of("")),
            Map.entry("device", List.of("{device} --pci-ids {ids}")),
            Map.entry("info", List.of("1")),
            Map.entry("plan", List.of("1 256M --mask 40")),
            Map.entry("abi", List.of("")),
            Map.entry("bind", List.of("{device} --dry-run", "{device} --wait 0")),
            Map.entry("unbind", List.of("{device} --dry-run", "{device}")),
            Map.entry("setup", List.of("--user alice --check --root {root}", "--user alice")),
            Map.entry("peek", List.of("{device} BAR0+0:4")),
            Map.entry("poke", List.of("{device} BAR0+4:4 0x12345678")),
            Map.entry("config read", List.of("{device} 0x0:4")),
            Map.entry("config write", List.of("{device} 0x3c:1 0x7")),
            Map.entry("dma alloc", List.of("{device} 64K")),
            Map.entry("dma fill", List.of("{device} 64K 0xa5")),
            Map.entry("dma dump", List.of("{device} 64")),
            Map.entry("irq wait", List.of("{device} --type msi --timeout 1")),
            Map.entry("eeh status", List.of("{device}")),
            Map.entry("eeh inject", List.of("{device}")),
            Map.entry("eeh recover", List.of("{device}")),
            Map.entry("demo", List.of("--device {device}")),
            Map.entry("bench", List.of("--millis 1 map-64k")),
            Map.entry("map", List.of("")),
            Map.entry("nvme identify", List.of("")),
            Map.entry("nvme read", List.of("--size 4K --output {root}/blocks")),
            Map.entry("nvme write", List.of("--input {root}/input")),
            Map.entry("nvme verify", List.of("--size 64K")),
            Map.entry("nvme bench", List.of("--seconds 1")));

    @TempDir
    private Path root = Path.of("");

    @ParameterizedTest
    @ValueSource(
            strings = {
                "power9",
                "pseries",
                "no-module",
                "no-permission",
                "low-memlock",
                "not-viable",
                "small-pages",
                "linux-6.1",
                "frozen",
            })
    void commands_aHost_answerAsBefore(String host) throws IOException {
        Files.write(root.resolve("input"), new byte[4096]);
        StringBuilder text = new StringBuilder();
        for (Command command : Commands.all()) {
            for (String arguments : LINES.getOrDefault(command.name(), List.of())) {
                for (String json : List.of("", " --json")) {
                    String line = command.name() + (arguments.isEmpty() ? "" : " " + arguments) + json;
                    Ran ran = run(host, line);
                    if (!json.isEmpty() && !ran.out().isEmpty()) {
                        ran.json(command.name());
                    }
                    if (!command.name().equals("abi") && (json.isEmpty() || ran.status() == 0)) {
                        text.append(shown(line, ran));
                    }
                }
            }
        }
        Golden.check("host-" + host + ".txt", text.toString());
    }

    private Ran run(String host, String line) throws IOException {
        String device = host.equals("pseries") ? LPAR_EDU : EDU;
        String filled = line.replace("{device}", device)
                .replace("{root}", root.toString())
                .replace("{ids}", Golden.resource("pci.ids").toString());
        if (line.startsWith("abi")) {
            return Ran.of(filled);
        }
        return switch (host) {
            case "frozen" -> Ran.on(HostCommandsTest.frozen(), filled + " --machine power9");
            case "linux-6.1" -> Ran.of(filled + " --machine power9 --linux 6.1");
            default -> Ran.of(filled + " --machine " + HostCommandsTest.machine(host));
        };
    }

    private String shown(String line, Ran ran) {
        boolean measured = ran.status() == 0 && MEASURED.stream().anyMatch(line::startsWith);
        // The time and the addresses of memory differ, too.
        String output = (ran.out() + ran.err())
                .replace(root.toString(), "ROOT")
                .replaceAll("0x7f[0-9a-f]{8,}", "0x7f...")
                .replaceAll("\\[ *[0-9]+[.][0-9]{6}]", "[TIME]")
                .replaceAll("\\b[0-9]+ ms\\b", "N ms");
        return "$ jvfio " + line + " [" + ran.status() + "]\n" + (measured ? "...\n" : output);
    }
}
