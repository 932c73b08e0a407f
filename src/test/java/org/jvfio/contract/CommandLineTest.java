package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;
import static org.jvfio.contract.host.Answers.assertAnswer;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.jvfio.cli.Ran;
import org.jvfio.contract.host.CommandHost;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.PciDevice;

/** The command {@code jvfio}, as an administrator and as an ordinary user of the host use it. */
@ContractTest
class CommandLineTest extends Contract {
    private static final long USUAL_LIMIT = 8L << 20;
    private static final int CANNOT_WORK = 2;

    @TempDir
    private Path directory = Path.of("");

    private final CommandHost commands;

    CommandLineTest(ContractHost host) {
        super(host);
        commands = CommandHost.of(process.kernel());
    }

    /** Other tests have the devices bound. */
    @AfterEach
    void bindAll() {
        for (PciDevice device : List.of(first, second)) {
            commands.root("bind " + device.address()).ok();
        }
    }

    private Ran root(int status, String line) {
        Ran ran = commands.root(line);
        assertEquals(status, ran.status(), () -> line + ":\n" + ran.out() + ran.err());
        return ran;
    }

    private static Ran ended(int status, Ran ran) {
        assertEquals(status, ran.status(), () -> ran.out() + ran.err());
        return ran;
    }

    /** A warning is no obstacle: some hosts cannot reset the device alone. */
    private static void assertReady(Ran doctor) {
        assertTrue(doctor.status() < CANNOT_WORK, doctor::out);
    }

    @Test
    void root_followingTheHints_getsARunningDriver() {
        String device = first.address();
        root(0, "unbind " + device);
        List<String> hints = root(CANNOT_WORK, "doctor " + device).hints();
        assertEquals(List.of("bind " + device), hints);
        hints = root(0, hints.getFirst()).hints();
        assertEquals(List.of("doctor " + device), hints);
        Ran doctor = commands.root(hints.getFirst());
        assertReady(doctor);
        assertEquals(List.of("demo --device " + device, "shell " + device), doctor.hints());
        Ran demo = root(0, doctor.hints().getFirst());
        assertTrue(demo.out().contains("4096 of 4096 bytes are equal"), demo::out);
    }

    @Test
    void user_followingTheHints_getsARunningDriver() {
        String device = first.address();
        root(0, "unbind " + device);
        List<Ran> session = commands.user(USUAL_LIMIT, List.of("doctor " + device, "bind " + device));
        String bind = "bind " + device;
        assertTrue(ended(CANNOT_WORK, session.get(0)).hints().contains(bind), session.get(0)::out);
        Ran refused = ended(1, session.get(1));
        assertTrue((refused.out() + refused.err()).contains("EACCES, Permission denied; run this as root"));
        root(0, bind);
        Ran doctor = ended(
                CANNOT_WORK,
                commands.user(USUAL_LIMIT, List.of("doctor " + device)).getFirst());
        String setup = doctor.hints().stream()
                .filter(each -> each.startsWith("setup ") && each.contains("--memlock"))
                .findFirst()
                .orElseThrow(() -> new AssertionError(doctor.out()));
        assertTrue(doctor.hints().stream().anyMatch(each -> each.equals("setup --user NAME --apply")), doctor::out);
        String apply = setup.replace("NAME", "alice") + " --root " + directory;
        root(0, apply);
        root(0, apply.replace("--apply", "--check"));
        // What udev and the next login make of the files.
        commands.giveToUser(first.group());
        long limit = 1024 * Long.parseLong(setup.replaceAll(".*--memlock (\\d+)K.*", "$1"));
        session = commands.user(limit, List.of("doctor " + device, "demo --device " + device));
        assertReady(session.get(0));
        assertEquals("demo --device " + device, session.get(0).hints().getFirst());
        assertTrue(ended(0, session.get(1)).out().contains("4096 of 4096 bytes are equal"), session.get(1)::out);
    }

    @Test
    void unbindAndBind_aDrive_givesItToItsDriverAndTakesItBack() {
        String drive = process.nvmes().getFirst().address();
        commands.loadNvmeDriver();
        Ran unbound = root(0, "unbind " + drive);
        try {
            assertEquals(drive + ": unbound from vfio-pci; its driver is nvme\n", unbound.out());
        } finally {
            Ran bound = root(0, "bind " + drive);
            assertTrue(bound.out().startsWith(drive + ": bound to vfio-pci, in group "), bound::out);
        }
    }

    @Test
    void bind_aDriveWithSwap_isRefusedUntilTheSwapIsOff() {
        String drive = process.nvmes().getFirst().address();
        commands.loadNvmeDriver();
        root(0, "unbind " + drive);
        Optional<CommandHost.Swap> used = commands.swapOn(drive);
        assumeTrue(used.isPresent(), "an emulated host begins to use no drive");
        try (CommandHost.Swap swap = used.orElseThrow()) {
            Ran refused = root(1, "bind " + drive);
            assertEquals(
                    "jvfio: cannot bind %s: the host lives on it: %s is in use as swap; use another device, or --despite"
                                    .formatted(drive, swap.node())
                            + " '%s is in use as swap'\n".formatted(swap.node()),
                    refused.err());
            Ran doctor = root(CANNOT_WORK, "doctor " + drive);
            assertTrue(
                    doctor.out()
                            .contains("%s is bound to nvme, and the host lives on it: %s is in use as swap"
                                    .formatted(drive, swap.node())),
                    doctor::out);
        }
        root(0, "bind " + drive);
    }

    @Test
    void shell_aScript_worksWithTheDeviceOfTheHost() {
        String device = first.address();
        Optional<Ran> shell = commands.shell(device, """
                var edu = EduDevice.of(device)
                System.out.println("alive: " + edu.isAlive() + ", factorial of 6: " + edu.factorial(6, Duration.ofSeconds(9)))
                System.out.println(device.address() + " of " + kernel.getClass().getSimpleName())
                device.close()
                /exit 3
                """);
        assumeTrue(shell.isPresent(), "another process has an emulated host of its own");
        Ran ran = shell.orElseThrow();
        assertTrue(ran.out().contains("alive: true, factorial of 6: 720"), ran::out);
        assertTrue(ran.out().contains(device + " of LinuxKernel"), ran::out);
        assertEquals(3, ran.status(), ran::out);
        // It gave the device back.
        Ran demo = root(0, "demo --device " + device);
        assertTrue(demo.out().contains("4096 of 4096 bytes are equal"), demo::out);
    }

    @Test
    void reports_aReadyHost_haveWhatTheirSchemasSay() {
        String drive = process.nvmes().getFirst().address();
        for (String line : List.of(
                "doctor",
                "doctor " + drive,
                "devices",
                "groups",
                "device " + drive,
                "info " + first.group(),
                "plan " + first.group() + " 256M --mask 40",
                "bind " + drive + " --dry-run",
                "unbind " + drive + " --dry-run")) {
            Ran ran = commands.root(line + " --json");
            assertTrue(ran.status() < CANNOT_WORK, () -> line + ran.err());
            ran.json(line.split(" ", -1)[0]);
            assertTrue(!commands.root(line).out().isEmpty());
        }
        root(1, "setup --user alice --check --root " + directory);
        root(0, "eeh status " + first.address());
    }

    @Test
    void bind_noSuchDevice_changesNothing() {
        Ran ran = root(1, "bind 0009:09:09.0");
        assertTrue(ran.err().contains("there is no such PCI device"), ran::err);
        assertAnswer(0, openGroup().close());
    }
}
