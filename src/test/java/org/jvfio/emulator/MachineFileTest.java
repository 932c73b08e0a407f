package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.jvfio.emulator.device.BarKind;

class MachineFileTest {
    @TempDir
    private Path directory = Path.of("");

    private EmulatedMachine read(String json) throws IOException {
        return EmulatedMachine.read(Files.writeString(directory.resolve("machine.json"), json));
    }

    @Test
    void read_like_presetWithChanges() throws IOException {
        EmulatedMachine machine = read("""
                {"like": "power9", "kernel": "7.2", "pages": "4K", "memory": "16G", "defaultWindow": "1G",
                 "hugePages": {"2M": 3}, "interruptVectors": 8,
                 "devices": [{"address": "0004:01:00.0", "group": 7, "model": "edu", "driver": "other"}]}
                """);
        assertEquals(Platform.PHB4, machine.platform());
        assertEquals(KernelVersion.V7_2, machine.kernel());
        assertEquals(12, machine.pageShift());
        assertEquals(16L << 30, machine.memoryBytes());
        assertEquals(1L << 30, machine.dma32Bytes());
        assertEquals(8, machine.interruptVectors());
        EmulatedHost host = EmulatedKernel.boot(machine).host();
        assertEquals(List.of(7), host.groups());
        assertEquals(List.of("0004:01:00.0"), host.group(7).devices());
    }

    @Test
    void read_processor_isInCpuinfoAndThatOfAnotherPlatformIsNot() throws IOException {
        assertTrue(cpuinfo(EmulatedMachine.power11()).contains("cpu\t\t: Power11, altivec supported\n"));
        assertTrue(cpuinfo(EmulatedMachine.power10()).contains("cpu\t\t: POWER10, altivec supported\n"));
        assertEquals(
                "Power11, altivec supported", read("{\"like\": \"power11\"}").processor());
        assertEquals(
                "POWER9, altivec supported",
                read("{\"like\": \"power11\", \"platform\": \"phb4\"}").processor());
        assertTrue(cpuinfo(read("{\"like\": \"pseries\", \"processor\": \"POWER10 (architected)\"}"))
                .contains("cpu\t\t: POWER10 (architected)\n"));
        IllegalArgumentException e = assertThrows(
                IllegalArgumentException.class, () -> read("{\"like\": \"power9\",\n\"processor\": \"a\\nb\"}"));
        assertTrue(String.valueOf(e.getMessage()).contains("line 2 ('processor'): 'a\\u000ab' is not"), e.getMessage());
    }

    private static String cpuinfo(EmulatedMachine machine) throws IOException {
        return EmulatedKernel.boot(machine).readFile("/proc/cpuinfo");
    }

    @Test
    void read_maxFreezes_thePeIsDisabledAfterThem() throws IOException {
        EmulatedMachine machine = read("""
                {"like": "power8", "maxFreezes": 0}
                """);
        assertEquals(0, machine.maxFreezes());
        EmulatedHost host = EmulatedKernel.boot(machine).host();
        host.beginHostRecovery(0);
        assertEquals(EehState.STOPPED, host.group(0).state());
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> read("""
                {"like": "power8", "maxFreezes": -1}
                """));
        assertTrue(String.valueOf(e.getMessage()).contains("not a whole number from 0 on"), e.getMessage());
    }

    @Test
    void read_bridges_ownSettings() throws IOException {
        EmulatedMachine machine = read("""
                {"like": "power8", "platform": "phb4", "defaultWindow": "1G",
                 "bridges": [{"domain": "0001", "platform": "phb5"}, {"domain": "00ff", "defaultWindow": "2G"}]}
                """);
        assertEquals(new HostBridge(Platform.PHB4, 1L << 30), machine.bridge(0));
        assertEquals(new HostBridge(Platform.PHB5, 1L << 30), machine.bridge(1));
        assertEquals(new HostBridge(Platform.PHB4, 2L << 30), machine.bridge(0xff));
        assertEquals(machine.bridge(1), machine.toBuilder().build().bridge(1));
    }

    @Test
    void device_domainOver4Digits_illegalArgument() {
        EmulatedMachine.Builder machine = EmulatedMachine.power8().toBuilder();
        assertThrows(IllegalArgumentException.class, () -> machine.bridge(0x10000, Platform.PHB3, 1L << 30));
        assertThrows(IllegalArgumentException.class, () -> machine.bridge(-1, Platform.PHB3, 1L << 30));
    }

    @Test
    void read_romFile_romOfTheDevice() throws IOException {
        Files.write(directory.resolve("edu.rom"), new byte[3000]);
        EmulatedMachine machine = read("""
                {"like": "power8",
                 "devices": [{"address": "0000:01:00.0", "group": 0, "model": "edu", "rom": "edu.rom"}]}
                """);
        assertEquals(
                4096, Objects.requireNonNull(machine.slots().getFirst().rom()).barBytes());
    }

    @Test
    void read_oddities_optionsOfTheFunction() throws IOException {
        Files.write(directory.resolve("edu.vpd"), new byte[] {(byte) 0x82, 1, 0, 'J', 0x78});
        FunctionOptions options = read("""
                {"like": "pseries",
                 "devices": [{"address": "0001:00:01.0", "group": 1, "model": "edu", "vpd": "edu.vpd",
                              "config": {"0x34": "40", "0xF0": "00 ff"}, "silentMicros": 250000, "windowsFailed": true,
                              "bars": [{"index": 2, "kind": "memory", "size": "1M", "wide": true},
                                       {"index": 4, "kind": "io-ports", "size": 32}]}]}
                """).slots().getFirst().options();
        assertTrue(options.vitalProductData().isReadable());
        assertEquals(Map.of(0x34, (byte) 0x40, 0xf0, (byte) 0, 0xf1, (byte) 0xff), options.config());
        assertEquals(Duration.ofMillis(250), options.silence());
        assertTrue(options.windowsFailed());
        assertEquals(
                Map.of(
                        2, new FunctionOptions.ExtraBar(BarKind.MEMORY, 1 << 20, true),
                        4, new FunctionOptions.ExtraBar(BarKind.IO_PORTS, 32, false)),
                options.bars());
    }

    @Test
    void read_vpdOfBytes_zerosBetweenThem() throws IOException {
        VitalProductData data = read("""
                {"like": "power9",
                 "devices": [{"address": "0000:01:00.0", "group": 0, "model": "edu",
                              "vpd": {"0x6": "41 78", "0x0": "82 04 00 4a"}}]}
                """).slots().getFirst().options().vitalProductData();
        assertTrue(data.isReadable());
        assertEquals(0x4a000482, data.read(0));
        assertEquals(0x78410000, data.read(4));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "\"vpd\": \"none\"|has the 'vpd' ",
                "\"vpd\": 1|has 'vpd' that is not a JSON object",
                "\"vpd\": {\"0x0\": \"8\"}|has vital product data of '8' at 0x0; write bytes in hexadecimal",
                "\"vpd\": {\"0x7fff\": \"00 78\"}|is invalid: vital product data up to 0x8001: the maximum is 0x8000",
                "\"vpd\": {\"0xffff\": \"78\"}|is invalid: vital product data up to 0x10000: the maximum is 0x8000",
                "\"config\": {\"0x1000\": \"40\"}|is invalid: configuration space at 0x1000 cannot be replaced",
                "\"config\": 1|has 'config' that is not a JSON object",
                "\"config\": {\"52\": \"40\"}|has configuration space at '52'; write the offset like 0x41",
                "\"config\": {\"0x34\": \"4\"}|has configuration space of '4' at 0x34; write bytes in hexadecimal",
                "\"config\": {\"0x34\": 64}|has '0x34' that is not a string",
                "\"config\": {\"0x33\": \"00 40\"}|is invalid: configuration space at 0x33 cannot be replaced",
                "\"config\": {\"0xfff\": \"00 40\"}|is invalid: configuration space at 0x1000 cannot be replaced",
                "\"bars\": {}|has 'bars' that is not a list",
                "\"bars\": [{\"index\": 6, \"kind\": \"memory\", \"size\": 16}]|is invalid: BAR 6: a function has BARs 0 to 5",
                "\"bars\": [{\"index\": 5, \"kind\": \"memory\", \"size\": 16, \"wide\": true}]|is invalid: BAR 5 of 64 bits",
                "\"bars\": [{\"index\": 1, \"kind\": \"memory\", \"size\": 8}]|is invalid: BAR 1 of 8 bytes: the size is a power",
                "\"bars\": [{\"index\": 1, \"kind\": \"memory\", \"size\": \"2G\"}]|is invalid: BAR 1 of 2147483648 bytes",
                "\"bars\": [{\"index\": 1, \"kind\": \"io-ports\", \"size\": 512}]|is invalid: BAR 1 of 512 bytes: the size is a power",
                "\"bars\": [{\"index\": 1, \"kind\": \"registers\", \"size\": 16}]|is invalid: BAR 1 of REGISTERS",
                "\"bars\": [{\"index\": 1, \"kind\": \"ports\", \"size\": 16}]|has 'kind' ports, which is none of",
                "\"bars\": [{\"index\": 1, \"kind\": \"memory\", \"bytes\": 16}]|has 'bytes' in a BAR; the options are",
                "\"bars\": [{\"index\": 1, \"kind\": \"memory\", \"size\": 16}, {\"index\": 1, \"kind\": \"memory\", \"size\": 16}]|has two BARs 1",
                "\"silentMicros\": -1|has 'silentMicros' that is not a whole number",
                "\"windowsFailed\": true|cannot have failed windows: only an LPAR",
                "\"windowsFailed\": 1|has 'windowsFailed' that is not true or false"
            })
    void read_invalidOddity_fileAndReasonNamed(String option, String expected) {
        IllegalArgumentException e = assertThrows(
                IllegalArgumentException.class,
                () -> read(
                        "{\"like\": \"power9\", \"devices\":\n [{\"address\": \"0000:01:00.0\", \"group\": 0,\n  \"model\":"
                                + " \"edu\", " + option + "}]}"));
        String message = String.valueOf(e.getMessage());
        assertTrue(message.contains(expected), message);
        assertTrue(message.contains("machine.json"), message);
        assertTrue(message.contains("line 3") || message.contains("line 2") || option.contains("true"), message);
    }

    @Test
    void boot_everyPreset_works() {
        for (String name : EmulatedMachine.presets()) {
            EmulatedMachine machine = EmulatedMachine.preset(name).orElseThrow();
            List<Integer> groups = EmulatedKernel.boot(machine).host().groups();
            assertEquals(name.equals("pseries") ? List.of(1, 2, 3) : List.of(0, 1, 2), groups, name);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "[]|is not a JSON object",
                "{|is not JSON: Unexpected end-of-input",
                "{}|lacks 'like'",
                "{\"like\": \"power6\"}|has 'like' 'power6', which is none of [p5ioc2, power7, power8, power9, power10, power11, pseries]",
                "{\"like\": \"power8\", \"platform\": \"ioda1\"}|IODA1 is not supported by Linux 6.12; choose a version up to 5.0",
                "{\"like\": \"power8\", \"platform\": \"phb9\"}|has 'platform' phb9, which is none of [p5ioc2, ioda1, phb3, phb4, phb5, pseries]",
                "{\"like\": \"power8\", \"bridges\": [{\"platform\": \"phb4\"}]}|lacks 'domain'",
                "{\"like\": \"power8\", \"bridges\": [{\"domain\": \"1\"}]}|has a bridge with domain '1'; write it like 0001",
                "{\"like\": \"power8\", \"bridges\": [{\"domain\": \"0001\", \"kind\": 1}]}|has 'kind' in a bridge; the options are [defaultWindow, domain, platform]",
                "{\"like\": \"power8\", \"bridges\": [{\"domain\": \"0001\", \"defaultWindow\": \"3G\"}]}|the default window is a power of two, 4K to 2G, not 3G",
                "{\"like\": \"power8\", \"bridges\": [{\"domain\": \"0001\", \"platform\": \"pseries\"}]}|a host bridge of PSERIES cannot be in a machine of PHB3: one is of an LPAR",
                "{\"like\": \"p5ioc2\", \"bridges\": [{\"domain\": \"0001\", \"platform\": \"ioda1\"}]}|Linux does not support P5IOC2 and IODA1 bridges in one host",
                "{\"like\": \"power8\", \"page\": 1}|has 'page' in the file; the options are [bridges,",
                "{\"like\": \"power8\", \"pages\": \"16K\"}|has pages of 16K; the sizes are 4K and 64K",
                "{\"like\": \"power8\", \"memory\": \"lots\"}|has 'memory' of 'lots'; write a size like 64K, 2M or 4G",
                "{\"like\": \"power8\", \"memory\": \"99999999T\"}|has 'memory' of 99999999T, which is too large",
                "{\"like\": \"power8\", \"kernel\": \"3.18\"}|: '3.18' is not a release of Linux from 4.1 on, such as 6.12",
                "{\"like\": \"pseries\", \"kernel\": \"4.10\"}|in an LPAR VFIO needs Linux 4.12 or later, not 4.10",
                "{\"like\": \"power8\", \"interruptVectors\": 2049}|a platform grants 0 to 2048 interrupt vectors, not 2049",
                "{\"like\": \"power8\", \"eeh\": 1}|has 'eeh' that is not true or false",
                "{\"like\": \"power8\", \"hugePages\": {\"2M\": 1}}|PHB3 has no huge pages of 2M, only [16M]",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"edu\", \"rom\": \"none.rom\"}]}|none.rom, which cannot be read: there is no such file or directory",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"1:0\", \"group\": 0, \"model\": \"edu\"}]}|'1:0' is not a PCI address",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": -1, \"model\": \"edu\"}]}|has 'group' that is not a whole number",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 4294967296, \"model\": \"edu\"}]}|has 'group' of 4294967296, which is too large",
                "{\"like\": \"power8\", \"devices\": {}}|has 'devices' that is not a list",
                "{\"like\": \"power8\", \"devices\": [1]}|has a device that is not a JSON object",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 0}]}|lacks 'model'",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"edu\", \"registers\": \"small\"}]}|has 'registers' 'small'; the byte order is 'big' or 'little'",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"edu\", \"dmaMaskBits\": 65}]}|has 'dmaMaskBits' 65; the range is 1 to 64",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"edu\", \"driver\": \"ours\"}]}|has 'driver' ours, which is none of [none, vfio-pci, other]",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"e1000\"}]}|has a device of model 'e1000'; there are '",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"nvme\", \"registers\": \"big\"}]}|has 'registers' in a device of model 'nvme'; the options are [address,",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"nvme\", \"serial\": \"\"}]}|serial number '': it has 1 to 20 printable ASCII characters",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"nvme\", \"latencyMicros\": 86400000001}]}|the range is 0 to one day",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"edu\", \"latencyMicros\": 9223372036854775807}]}|has 'latencyMicros' of 9223372036854775807, which is too long",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"nvme\", \"lbaSize\": 520}]}|a block size of 520 bytes: the sizes are 512 and 4096",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"nvme\", \"size\": \"1K\", \"lbaSize\": \"4K\"}]}|a namespace of 1K is smaller than one block of 4096 bytes",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"nvme\", \"size\": \"32T\"}]}|a namespace of 32T in memory: the maximum is 16T",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"nvme\", \"file\": \"none.img\"}]}|there is no image ",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"nvme\", \"file\": \"none.img\", \"size\": 512}]}|has a namespace with 'file' and 'size'; remove 'size', the file has one",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"nvme\", \"namespaces\": 3}]}|has 'namespaces' that is not a list",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"nvme\", \"namespaces\": [{\"lba\": 1}]}]}|has 'lba' in a namespace; the options are [attached, commandSet, copyBlocks, copyRangeBlocks, copyRanges, extended, file, id, lbaSize, metadata, protection, size, writeProtected]; did you mean 'lbaSize'?",
                "{\"like\": \"power8\", \"devices\": [{\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": \"nvme\", \"namespaces\": [{}], \"size\": 512}]}|has a device with 'namespaces' and, outside the list, [size]",
            })
    void read_invalidFile_illegalArgumentWithFile(String json, String expected) {
        IllegalArgumentException wrong = assertThrows(IllegalArgumentException.class, () -> read(json));
        String message = Objects.requireNonNull(wrong.getMessage());
        assertEquals(true, message.contains("machine.json") && message.contains(expected), message);
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "{\"like\": \"power8\",\\n \"memmory\": 1}|machine.json, line 2 has 'memmory' in the file; the options are",
                "{\"like\": \"power8\",\\n \"memmory\": 1}|; did you mean 'memory'?",
                "{\"like\": \"power8\",\\n \"page\": \"4K\"}|; did you mean 'pages'?",
                "{\"like\": \"power8\",\\n \"zzz\": 1}|NO SUGGESTION",
                "{\"like\": \"power8\",\\n\\n \"memory\": \"lots\"}|machine.json, line 3 has 'memory' of 'lots'; write a size like 64K, 2M or 4G",
                "{\"like\": \"power8\",\\n \"devices\": [\\n {\"address\": \"0001:01:00.0\", \"group\": -1, \"model\": \"edu\"}]}|machine.json, line 3, device 0001:01:00.0 has 'group' that is not a whole number from 0 on",
                "{\"like\": \"power8\",\\n \"devices\": [\\n {\"address\": \"0001:01:00.0\",\\n \"group\": 0}]}|machine.json, line 3, device 0001:01:00.0 lacks 'model'",
                "{\"like\": \"power8\",\\n \"devices\": [\\n {\"group\": 0}]}|machine.json, line 3 lacks 'address'",
                "{\"like\": \"power8\"}\\n{}|machine.json, line 2 is not JSON: there is more text after the end of the object",
                "{\"like\": \"power8\",\\n \"like\": \"power9\"}|machine.json, line 2 is not JSON: Duplicate field 'like'",
                "{\\n\"like\": |machine.json, line 2 is not JSON: Unexpected end-of-input",
                "{\"like\": \"power8\",|is not JSON: Unexpected end-of-input",
            })
    void read_aWrongFile_namesLineAndDevice(String json, String expected) {
        IllegalArgumentException wrong =
                assertThrows(IllegalArgumentException.class, () -> read(json.replace("\\n", "\n")));
        String message = Objects.requireNonNull(wrong.getMessage());
        if (expected.equals("NO SUGGESTION")) {
            assertEquals(false, message.contains("did you mean"), message);
        } else {
            assertEquals(true, message.contains(expected) && !message.contains("REDACTED"), message);
        }
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '~',
            value = {
                "\"like\": \"power6\"|2 has 'like' 'power6'",
                "\"pages\": \"16K\"|2 has pages of 16K",
                "\"kernel\": \"3.18\"|2 ('kernel'): '3.18' is not a release",
                "\"like\": \"pseries\",\\n\"kernel\": \"4.10\"|3 ('kernel'): in an LPAR VFIO needs Linux 4.12",
                "\"kernel\": \"6.12\",\\n\"platform\": \"ioda1\"|2 ('kernel'): IODA1 is not supported",
                "\"like\": \"power9\",\\n\"platform\": \"ioda1\"|3 ('platform'): IODA1 is not supported",
                "\"interruptVectors\": 2049|2 ('interruptVectors'): a platform grants",
                "\"defaultWindow\": \"3G\"|2 ('defaultWindow'): the default window is a power of two, 4K to 2G, not 3G",
                "\"defaultWindow\": \"4G\"|2 ('defaultWindow'): the default window is a power of two, 4K to 2G, not 4G",
                "\"defaultWindow\": \"2K\"|2 ('defaultWindow'): the default window is a power of two, 4K to 2G, not 2K",
                "\"defaultWindow\": \"2\"|2 ('defaultWindow'): the default window is a power of two, 4K to 2G, not 2",
                "\"like\": \"power9\",\\n\"memory\": \"64M\"|3 ('memory'): a host with 64M of memory is too small for a default window of 2G: it has at least 1G",
                "\"defaultWindow\": \"4K\",\\n\"memory\": \"2K\"|3 ('memory'): a host has 64K to 2048T of memory, not 2K",
                "\"memory\": \"2049T\"|2 ('memory'): a host has 64K to 2048T of memory, not 2049T",
                "\"bridges\":\\n[{\"domain\": \"1\"}]|3 has a bridge with domain '1'",
                "\"bridges\":\\n[{\"domain\": \"0001\"},\\n{\"domain\": \"0001\"}]|4 has a second bridge with domain 0001",
                "\"bridges\":\\n[{\"domain\": \"0001\",\\n\"defaultWindow\": 2}]|4 ('defaultWindow'): the default window",
                "\"memory\": \"1G\",\\n\"defaultWindow\": \"1G\",\\n\"bridges\": [{\"domain\": \"0001\",\\n\"defaultWindow\": \"2G\"}, {\"domain\": \"0002\",\\n\"platform\": \"pseries\"}]|6 ('platform'): a host bridge of PSERIES",
                "\"like\": \"p5ioc2\",\\n\"bridges\": [{\"domain\": \"0001\"},\\n{\"domain\": \"0002\",\\n\"platform\": \"ioda1\"}]|5 ('platform'): Linux does not support P5IOC2 and IODA1",
                "\"hugePages\": {\\n\"2M\": 1,\\n\"16M\": 1}|4 ('16M'): PHB4 has no huge pages of 16M, only [2M, 1G]",
                "\"hugePages\": {\\n\"2M\": 1,\\n\"3M\": 1}|4 ('3M'): 1 huge pages of 3M: the size is a power of two",
                "\"hugePages\": {\\n\"2M\": 1,\\n\"1X\": 1}|4 has '1X' of '1X'; write a size",
                "\"hugePages\": {\\n\"2M\": 1,\\n\"1G\": \"1\"}|4 has '1G' that is not a whole number",
                "\"memory\": \"4G\",\\n\"hugePages\": {\\n\"1G\": 5}|3 ('hugePages'): a host with 4G of memory has no 5G for huge pages",
                "\"hugePages\": 3|2 has 'hugePages' that is not a JSON object",
                "\"devices\": [\\n1]|3 has a device that is not a JSON object",
                "\"devices\":\\n[{\"address\": \"0000:02:00.9\",\\n\"group\": 0, \"model\": \"edu\"}]|3, device 0000:02:00.9 ('address'): '0000:02:00.9' is not a PCI address",
                "\"devices\":\\n[{EDU}, {\"group\": 0,\\n\"address\": \"0000:01:00.0\", \"model\": \"edu\"}]|4, device 0000:01:00.0 ('address'): 0000:01:00.0 already has a device",
                "\"devices\":\\n[{\"address\": \"0000:01:00.0\",\\n\"group\": 0,\\n\"model\": \"e1000\"}]|5, device 0000:01:00.0 has a device of model 'e1000'",
                "\"devices\": [{\"address\": \"0000:01:00.0\",\\n\"model\": \"edu\",\\n\"group\": 1000000000}]|4, device 0000:01:00.0 ('group'): the number of an IOMMU group is 0 to 999999999",
                "\"devices\": [{EDU,\\n\"registers\": \"small\"}]|3, device 0000:01:00.0 has 'registers' 'small'",
                "\"devices\": [{EDU,\\n\"dmaMaskBits\": 65}]|3, device 0000:01:00.0 has 'dmaMaskBits' 65",
                "\"devices\": [{EDU,\\n\"windowsFailed\": true}]|3, device 0000:01:00.0 ('windowsFailed'): the device at",
                "\"devices\": [{EDU,\\n\"config\":\\n1}]|3, device 0000:01:00.0 has 'config' that is not a JSON object",
                "\"devices\": [{EDU,\\n\"rom\": \".\"}]|3, device 0000:01:00.0 has the 'rom' ",
                "\"devices\": [{NVME,\\n\"subsystem\": \"nqn\",\\n\"controllerId\": 2,\\n\"controllers\": 2}]|4, device 0000:01:00.0 ('controllerId')",
                "\"devices\": [{NVME,\\n\"subsystem\": \"nqn\",\\n\"controllers\": 0}]|4, device 0000:01:00.0 ('controllers')",
                "\"devices\": [{NVME,\\n\"controllers\": 2}]|3, device 0000:01:00.0 has 'controllers', and no 'subsystem'",
                "\"devices\": [{NVME, \"subsystem\": \"nqn\", \"controllers\": 2}, {\"address\": \"0001:01:00.0\", \"group\": 1, \"model\": \"nvme\",\\n\"subsystem\": \"nqn\", \"controllers\": 2,\\n\"controllerId\": 0}]|4, device 0001:01:00.0 has 'controllerId' 0 in subsystem 'nqn', and so has device 0000:01:00.0",
                "\"devices\": [{NVME, \"subsystem\": \"nqn\", \"controllers\": 2}, {\"address\": \"0001:01:00.0\", \"group\": 1, \"model\": \"nvme\",\\n\"subsystem\": \"nqn\", \"controllerId\": 1,\\n\"controllers\": 3}]|4, device 0001:01:00.0 is of subsystem 'nqn' with 'controllers' of 3, and device 0000:01:00.0 is of it with 2",
                "\"devices\": [{NVME,\\n\"smallestPage\": \"1K\",\\n\"largestPage\": \"4K\"}]|3, device 0000:01:00.0 ('smallestPage')",
                "\"devices\": [{NVME,\\n\"smallestPage\": \"8K\",\\n\"largestPage\": \"4K\"}]|4, device 0000:01:00.0 ('largestPage')",
                "\"devices\": [{NVME,\\n\"oddities\": [\\n\"none\"]}]|4, device 0000:01:00.0 has 'oddities' none",
                "\"devices\": [{NVME,\\n\"limits\": {\\n\"verify\": 1,\\n\"ranges\": 256}}]|5 ('ranges')",
                "\"devices\": [{NVME,\\n\"wrongStatus\": {\\n\"probability\": 1,\\n\"bits\": 33}}]|5 ('bits')",
                "\"devices\": [{NVME,\\n\"namespaces\": [\\n{\"id\": 1},\\n{\"size\": 512,\\n\"id\": 1}]}]|6 ('id'): two namespaces",
                "\"devices\": [{NVME,\\n\"namespaces\": [\\n{\"id\": 1},\\n7]}]|5, device 0000:01:00.0 has a namespace that",
                "\"devices\": [{NVME,\\n\"namespaces\": [\\n{\"id\": 1,\\n\"protection\": 1}]}]|5 ('protection'): protection information",
                "\"devices\": [{NVME,\\n\"id\": 1,\\n\"size\": 100}]|4, device 0000:01:00.0 ('size'): a namespace of 100",
                "\"devices\": [{NVME,\\n\"copyRangeBlocks\": 65536,\\n\"copyRanges\": 1}]|3, device 0000:01:00.0 ('copyRangeBlocks')",
            })
    void read_wrongValue_messageNamesItsLine(String members, String expected) {
        String device = "\"address\": \"0000:01:00.0\", \"group\": 0, \"model\": ";
        String json = "{" + (members.contains("\"like\"") ? "" : "\"like\": \"power9\",") + "\n"
                + members.replace("\\n", "\n")
                        .replace("EDU", device + "\"edu\"")
                        .replace("NVME", device + "\"nvme\"")
                + "\n}";
        String message = String.valueOf(
                assertThrows(IllegalArgumentException.class, () -> read(json)).getMessage());
        assertTrue(message.contains("machine.json, line " + expected), message);
    }

    @Test
    void read_anEmptyFile_saysWhatToWrite() {
        IllegalArgumentException wrong = assertThrows(IllegalArgumentException.class, () -> read(""));
        assertEquals(true, String.valueOf(wrong.getMessage()).contains("is empty; write a JSON object"));
    }

    @Test
    void read_missingFile_noSuchFile() {
        assertThrows(NoSuchFileException.class, () -> EmulatedMachine.read(directory.resolve("none.json")));
    }
}
