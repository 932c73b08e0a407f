package org.jvfio.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.jvfio.Container;
import org.jvfio.Device;
import org.jvfio.DmaDirection;
import org.jvfio.DmaMapping;
import org.jvfio.DmaMemory;
import org.jvfio.PciAddress;
import org.jvfio.VfioException;
import org.jvfio.cli.host.Host;
import org.jvfio.driver.edu.EduDevice;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.HostDriver;
import org.jvfio.emulator.edu.EmulatedEdu;

/** What the commands that look at hosts and prepare them print, byte for byte, on sound hosts and on broken ones. */
class HostCommandsTest {
    private static final String IDS = " --pci-ids " + Golden.resource("pci.ids");

    @TempDir
    private Path directory = Path.of("");

    static String machine(String name) {
        return EmulatedMachine.presets().contains(name)
                ? name
                : Golden.resource("machines/" + name + ".json").toString();
    }

    static List<String> hosts() {
        return Stream.concat(
                        EmulatedMachine.presets().stream().filter(name -> !name.equals("power11")),
                        Stream.of(
                                "no-module",
                                "no-spapr-module",
                                "no-permission",
                                "low-memlock",
                                "short-memlock",
                                "not-viable",
                                "small-pages",
                                "in-use-by-host"))
                .toList();
    }

    @ParameterizedTest
    @MethodSource("hosts")
    void devicesAndGroups_eachHost_asBefore(String host) throws IOException {
        String of = " --machine " + machine(host);
        StringBuilder text = new StringBuilder();
        for (String line : List.of("devices", "devices --tree", "groups", "groups --tree")) {
            Ran ran = Ran.of(line + of + IDS).ok();
            assertEquals("", ran.err());
            text.append("$ jvfio ").append(line).append('\n').append(ran.out());
        }
        Golden.check("devices-" + host + ".txt", text.toString());
        Ran devices = Ran.of("devices --json" + of + IDS).ok();
        devices.json("devices");
        Golden.check("devices-" + host + ".json", devices.out());
        Ran groups = Ran.of("groups --json" + of).ok();
        groups.json("groups");
        Golden.check("groups-" + host + ".json", groups.out());
    }

    @ParameterizedTest
    @CsvSource({
        "power8, 0",
        "power9, 0",
        "power10, 0",
        "pseries, 0",
        "power7, 1",
        "p5ioc2, 1",
        "no-module, 2",
        "no-spapr-module, 2",
        "no-permission, 2",
        "low-memlock, 2",
        "short-memlock, 1",
        "not-viable, 2",
        "small-pages, 1",
        "in-use-by-host, 2",
    })
    void doctor_eachHost_tellsWhatIsWrong(String host, int status) throws IOException {
        assertDoctor(host, "doctor --machine " + machine(host), status);
    }

    @ParameterizedTest
    @CsvSource({
        "linux-6.1, doctor --linux 6.1 0001:01:00.0, 2",
        "lpar-6.8, doctor --machine pseries --linux 6.8, 2",
        "lpar-6.1, doctor --machine pseries --linux 6.1, 2",
        "lpar-5.10, doctor --machine pseries --linux 5.10, 1",
        "power11, doctor --machine power11 --linux 7.2, 0",
        "device, doctor 0001:01:00.0, 0",
        "drive, doctor 0002:01:00.0 --memory 4G, 0",
        "linux-4.1, doctor --machine power7 --linux 4.1 0001:01:00.0, 1",
    })
    void doctor_aKernelOrADevice_tellsWhatIsWrong(String name, String line, int status) throws IOException {
        assertDoctor(name, line, status);
    }

    @ParameterizedTest
    @CsvSource({
        "no-module, 0001:01:00.0",
        "no-permission, 0001:01:00.0",
        "not-viable, 0001:01:00.0",
        "in-use-by-host, 0000:01:00.0",
        "in-use-by-host, 0004:01:00.0",
    })
    void doctor_aDeviceOfABrokenHost_tellsWhatIsWrong(String host, String device) throws IOException {
        assertDoctor(host + "-" + device.substring(0, 4), "doctor " + device + " --machine " + machine(host), 2);
    }

    private static void assertDoctor(String name, String line, int status) throws IOException {
        Ran text = Ran.of(line);
        assertEquals(status, text.status(), text.out() + text.err());
        Golden.check("doctor-" + name + ".txt", text.out());
        Ran data = Ran.of(line + " --json");
        assertEquals(status, data.status());
        assertEquals(
                List.of("ready", "warnings", "cannot work").get(status),
                data.json("doctor").get("verdict"));
        Golden.check("doctor-" + name + ".json", data.out());
    }

    /** Has edu write where nothing is mapped. */
    static EmulatedKernel frozen() {
        EmulatedKernel process = EmulatedKernel.boot(EmulatedMachine.power9());
        Device device = Device.open(process, PciAddress.parse("0001:01:00.0"));
        Container container = device.container();
        DmaMemory memory = container.allocate(65536);
        DmaMapping mapping = container.defaultWindow().map(memory, DmaDirection.BIDIRECTIONAL);
        mapping.close();
        device.enableBusMastering();
        EduDevice edu = EduDevice.of(device);
        try {
            edu.writeMemory(mapping.iova(), 0, 4096, Duration.ofSeconds(1));
        } catch (VfioException _) {
            // its registers read all ones
        }
        assertTrue(device.isFrozen());
        return process;
    }

    @Test
    void doctor_aFrozenPe_isToldWithWhoHasTheGroup() throws IOException {
        EmulatedKernel process = frozen();
        Ran ran = Ran.on(process, "doctor 0001:01:00.0 --machine power9");
        assertEquals(2, ran.status());
        Golden.check("doctor-frozen.txt", ran.out());
        Golden.check(
                "groups-frozen.txt",
                Ran.on(process, "groups --machine power9").ok().out());
    }

    @ParameterizedTest
    @CsvSource({"power8, 1", "power9, 1", "pseries, 1", "power7, 1", "small-pages, 1"})
    void infoAndPlan_aGroup_asBefore(String host, int group) throws IOException {
        String of = " --machine " + machine(host);
        Ran info = Ran.of("info " + group + of).ok();
        Ran plan = Ran.of("plan " + group + " 512M --mask 40" + of).ok();
        Golden.check("info-" + host + ".txt", info.out());
        Golden.check("plan-" + host + ".txt", plan.out());
        Ran.of("info --json " + group + of).ok().json("info");
        Ran.of("plan --json " + group + " 512M" + of).ok().json("plan");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "plan 0 0|plan: 0 bytes to map: ask for 1 byte to 128T",
                "plan 0 1X|SIZE: '1X' is not a count of bytes, such as 4096, 64K or 1G",
                "plan 0 1G --page 3K|--page 3K: a page size is a power of two, such as 64K or 2M",
                "plan x 1G|'x' is not the number of an IOMMU group, such as 0",
                "plan 0|plan needs SIZE, bytes that are mapped at a time, such as 256M or 4G (see jvfio plan --help)",
                "setup --user 1bob|--user: '1bob' is not a user name",
                "info|info needs GROUP, the number of the IOMMU group, N of /dev/vfio/N (see jvfio info --help)",
                "doctor 01:00.0|'01:00.0' is not a PCI address such as 0000:01:00.0; its domain is missing: 0000:01:00.0?",
                "bind 0001:01:00.0 --persist|an emulated host keeps no files in /etc: add --root DIRECTORY",
            })
    void hostCommands_anInvalidLine_isAnsweredWithStatus2(String line, String answer) {
        assertEquals(new Ran(2, "", "jvfio: " + answer + System.lineSeparator()), Ran.of(line));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "bind 0000:01:00.0|/dev/nvme0n1p1 is mounted at /",
                "bind 0001:01:00.0|/dev/nvme1n1p2 is in use as swap",
                "bind 0002:01:00.0|eth2 has the default route",
                "bind 0003:01:00.0|the console is on this display",
            })
    void bind_aDeviceThatTheHostLivesOn_isRefusedUnlessTheReasonIsNamed(String line, String reason) {
        EmulatedKernel process = EmulatedKernel.boot(read("in-use-by-host"));
        Ran refused = Ran.on(process, line + " --kernel emulated");
        assertEquals(1, refused.status());
        assertTrue(refused.err().contains("the host lives on it: " + reason + "; "), refused.err());
        PciAddress address = PciAddress.parse(line.substring(5));
        assertEquals(reason.contains("nvme") ? "nvme" : "host", driver(process, address.toString()));
        Ran forced =
                Ran.ofOn(process, List.of("bind", address.toString(), "--kernel", "emulated", "--despite", reason));
        assertEquals(0, forced.status(), forced.err());
        assertEquals(
                "vfio-pci",
                new Host(process).function(address).function().driver().orElse(""));
    }

    private static EmulatedMachine read(String name) {
        try {
            return EmulatedMachine.read(Golden.resource("machines/" + name + ".json"));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void bind_aGroup_takesAllItsDevicesAndGivesThemBack() {
        EmulatedKernel process = EmulatedKernel.boot(read("not-viable"));
        Ran dry =
                Ran.on(process, "bind 0001:01:00.0 --kernel emulated --dry-run").ok();
        assertEquals("""
                # group 1: 0001:01:00.0, 0001:01:00.1
                echo vfio-pci > /sys/bus/pci/devices/0001:01:00.1/driver_override
                echo 0001:01:00.1 > /sys/bus/pci/devices/0001:01:00.1/driver/unbind
                echo 0001:01:00.1 > /sys/bus/pci/drivers_probe
                """, dry.out());
        assertEquals("nvme", driver(process, "0001:01:00.1"));
        Ran bound = Ran.on(process, "bind 0001:01:00.0 --kernel emulated").ok();
        assertEquals("""
                0001:01:00.0, 0001:01:00.1: bound to vfio-pci, in group 1
                this user may open /dev/vfio/1
                next: jvfio doctor 0001:01:00.0
                """, bound.out());
        assertEquals("vfio-pci", driver(process, "0001:01:00.1"));
        Ran.on(process, "bind 0001:01:00.0 --kernel emulated --json").ok().json("bind");
        Ran unbound = Ran.on(process, "unbind 0001:01:00.1 --kernel emulated").ok();
        assertEquals("""
                0001:01:00.0: unbound from vfio-pci; its driver is host
                0001:01:00.1: unbound from vfio-pci; its driver is nvme
                """, unbound.out());
        assertEquals(
                "(null)",
                new Host(process)
                        .files()
                        .read("/sys/bus/pci/devices/0001:01:00.1/driver_override")
                        .orElse(""));
        Ran.on(process, "unbind 0001:01:00.0 --kernel emulated --json").ok().json("unbind");
    }

    private static String driver(EmulatedKernel process, String address) {
        return new Host(process)
                .function(PciAddress.parse(address))
                .function()
                .driver()
                .orElse("none");
    }

    /** A host whose only device is bound to a driver of its own. */
    private static EmulatedKernel hostsDevice() {
        return EmulatedKernel.boot(EmulatedMachine.power9().toBuilder()
                .withoutDevices()
                .device("0001:01:00.0", 1, HostCommandsTest::edu, HostDriver.OTHER)
                .build());
    }

    @Test
    void bind_aKernelThatRefuses_leavesTheDriversAsTheyWere() throws IOException {
        EmulatedKernel process = hostsDevice();
        Host host = new Host(process);
        Binding binding = new Binding(host);
        var function = host.function(PciAddress.parse("0001:01:00.0"));
        List<Binding.Write> writes = Binding.bindWrites(function);
        try {
            binding.apply(function, writes, Optional.of("another-driver"));
            throw new AssertionError("it is bound to vfio-pci");
        } catch (Failure e) {
            assertEquals(
                    "cannot bind 0001:01:00.0 to another-driver: the kernel refused, and it is bound to vfio-pci; see"
                            + " dmesg; everything is as it was",
                    e.getMessage());
        }
        assertEquals("host", driver(process, "0001:01:00.0"));
        assertEquals(
                "(null)",
                process.readFile("/sys/bus/pci/devices/0001:01:00.0/driver_override")
                        .strip());
    }

    @Test
    void bind_persistently_writesFilesThatUnbindRemoves() throws IOException {
        String root = " --kernel emulated --persist --root " + directory;
        EmulatedKernel process = EmulatedKernel.boot(EmulatedMachine.power9());
        Ran dry = Ran.on(process, "bind 0001:01:00.0 --dry-run" + root).ok();
        assertTrue(
                dry.out().contains("# would write " + directory.resolve("etc/modules-load.d/jvfio.conf")), dry.out());
        assertTrue(!Files.exists(directory.resolve("etc")));
        Ran.on(process, "bind 0001:01:00.0" + root).ok();
        Path rule = directory.resolve("etc/udev/rules.d/60-jvfio-0001-01-00.0.rules");
        Golden.check("persist.rules", Files.readString(rule));
        Ran again = Ran.on(process, "bind 0001:01:00.0 --json" + root).ok();
        assertEquals(List.of(), again.json("bind").get("files"));
        Ran unbound = Ran.on(process, "unbind 0001:01:00.0" + root).ok();
        assertTrue(unbound.out().contains("removed " + rule), unbound.out());
        assertTrue(!Files.exists(rule));
    }

    @Test
    void bind_persistentlyBelowAFile_bindsNothing() throws IOException {
        Path file = Files.createFile(directory.resolve("file"));
        EmulatedKernel process = hostsDevice();
        Ran ran = Ran.on(process, "bind 0001:01:00.0 --kernel emulated --persist --root " + file);
        assertEquals(1, ran.status());
        assertTrue(ran.err().startsWith("jvfio: cannot write " + file.resolve("etc")), ran.err());
        assertEquals("host", driver(process, "0001:01:00.0"));
    }

    @Test
    void bind_persistentlyWhereTheSecondFileCannotBe_leavesNoFile() throws IOException {
        Files.createDirectories(directory.resolve("etc"));
        Files.createFile(directory.resolve("etc/udev"));
        EmulatedKernel process = hostsDevice();
        Ran ran = Ran.on(process, "bind 0001:01:00.0 --kernel emulated --persist --root " + directory);
        assertEquals(1, ran.status());
        assertTrue(ran.err().startsWith("jvfio: cannot write " + directory.resolve("etc/udev/rules.d")), ran.err());
        assertEquals("host", driver(process, "0001:01:00.0"));
        try (Stream<Path> files = Files.walk(directory)) {
            assertEquals(
                    List.of("udev"),
                    files.filter(Files::isRegularFile)
                            .map(path -> path.getFileName().toString())
                            .toList());
        }
    }

    @Test
    void unbind_aGroupInUse_isRefused() {
        EmulatedKernel process = EmulatedKernel.boot(EmulatedMachine.power9());
        try (Device _ = Device.open(process, PciAddress.parse("0001:01:00.0"))) {
            Ran ran = Ran.on(process, "unbind 0001:01:00.0 --kernel emulated");
            assertEquals(1, ran.status());
            assertTrue(
                    ran.err()
                            .matches(
                                    "jvfio: cannot unbind group 1: it is in use by java \\(pid \\d+\\); end that first\\R"),
                    ran.err());
        }
    }

    @Test
    void devices_namesInADirectory_isAnswered() {
        assertEquals(
                new Ran(1, "", "jvfio: cannot read " + directory + ": it is a directory" + System.lineSeparator()),
                Ran.of("devices --machine power8 --pci-ids", directory.toString()));
    }

    static List<String> presets() {
        return EmulatedMachine.presets();
    }

    @ParameterizedTest
    @MethodSource("presets")
    void machineShow_eachPreset_isReadAsTheSameMachine(String preset) throws IOException {
        Ran ran = Ran.of("machine show " + preset).ok();
        assertEquals("", ran.err());
        String shown = ran.out();
        Path file = Files.writeString(directory.resolve("machine.json"), shown);
        assertEquals(shown, Ran.of("machine show " + file).ok().out());
        assertEquals(
                Ran.of("devices --json --machine " + preset).ok().out(),
                Ran.of("devices --json --machine " + file).ok().out());
    }

    @Test
    void machineShow_fileWithMoreThanItPrints_namesWhatIsLeftOut() throws IOException {
        Files.write(directory.resolve("edu.rom"), new byte[64]);
        Path file = Files.writeString(directory.resolve("machine.json"), """
                {"like": "power9", "hazards": "as-linux", "devices": [
                 {"address": "0000:01:00.0", "group": 0, "model": "nvme", "mdts": 1, "serial": null, "namespaces": []},
                 {"address": "0001:01:00.0", "group": 1, "model": "edu", "rom": "edu.rom", "vpd": {"0x0": "78"},
                  "config": {"0x34": "40"}, "bars": [{"index": 2, "kind": "memory", "size": "1M"}],
                  "silentMicros": 3, "windowsFailed": false, "extendedConfig": false},
                 {"address": "0002:01:00.0", "group": 2, "model": "edu", "driver": "other", "hostUse": "swap"}]}
                """);
        assertEquals(
                """
                jvfio: this leaves out of the machine: hazards; copy what you need from FILE
                jvfio: this leaves out of the device 0000:01:00.0: mdts and namespaces; copy what you need from FILE
                jvfio: this leaves out of the device 0001:01:00.0: rom, vpd, config, bars, silentMicros and extendedConfig; copy what you need from FILE
                """.replace("FILE", file.toString()),
                Ran.of("machine show " + file).ok().err().replace(System.lineSeparator(), "\n"));
        Files.writeString(file, """
                {"like": "pseries", "devices": [
                 {"address": "0000:01:00.0", "group": 0, "model": "edu", "windowsFailed": true}]}
                """);
        assertEquals(
                "jvfio: this leaves out of the device 0000:01:00.0: windowsFailed; copy what you need from " + file,
                Ran.of("machine show " + file).ok().err().strip());
    }

    @Test
    void inspection_ofAHostThatNobodyChose_saysThatItIsEmulated() {
        assertEquals(
                "jvfio: there is no POWER kernel here: using an emulated power8 host (--machine chooses another)"
                        + System.lineSeparator(),
                Ran.of("devices").ok().err());
    }

    private static EmulatedEdu edu() {
        return new EmulatedEdu(ByteOrder.BIG_ENDIAN, -1, Duration.ZERO);
    }

    /** A kernel that cannot bind a device gets no hint to bind one. */
    @ParameterizedTest
    @CsvSource({
        "info 1, power8, 6.4",
        "info 1, pseries, 6.11",
        "demo, power9, 6.4",
        "demo, pseries, 6.11",
        "peek {} BAR0+0, power10, 6.4",
        "config read {} 0, pseries, 6.11",
    })
    void command_aKernelThatCannotBind_namesOneThatCan(String line, String machine, String release) {
        String device = machine.equals("pseries") ? "0001:00:01.0" : "0001:01:00.0";
        Ran ran = Ran.of(line.replace("{}", device) + " --linux 6.1 --machine " + machine);
        assertEquals(1, ran.status());
        assertTrue(
                ran.err()
                        .contains(
                                ("; boot Linux %s or newer: this is 6.1.0-emulated, and Linux 5.19 to 6.3 cannot bind a"
                                                + " device to vfio-pci on POWER")
                                        .formatted(release)),
                ran.err());
        assertTrue(!ran.err().contains("drivers_probe"), ran.err());
    }

    @Test
    void info_aGroupThatIsNotBound_saysHowToBindIt() {
        EmulatedKernel host = EmulatedKernel.boot(EmulatedMachine.power9());
        Ran.on(host, "unbind 0001:01:00.0 --machine power9").ok();
        Ran ran = Ran.on(host, "info 1 --machine power9");
        assertTrue(
                ran.err()
                        .contains("; bind its devices, as root: modprobe vfio-pci; echo vfio-pci >"
                                + " /sys/bus/pci/devices/0001:01:00.0/driver_override; "),
                ran.err());
    }

    @Test
    void json_ofAHost_hasItsKernelAndPages() {
        Map<?, ?> host = (Map<?, ?>) Ran.of("groups --json --machine pseries --linux 6.14")
                .ok()
                .json("groups")
                .get("host");
        assertEquals(
                Map.of(
                        "kernel",
                        "6.14.0-emulated",
                        "emulated",
                        true,
                        "processor",
                        "POWER9",
                        "platform",
                        "pSeries",
                        "pageSize",
                        65536),
                host);
    }
}
