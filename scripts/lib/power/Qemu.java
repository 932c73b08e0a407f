package power;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * QEMU's command line.
 *
 * @param disk the image of the NVMe drive; without one it reads zeros and drops what is written, at once
 */
record Qemu(
        List<String> program,
        Machine machine,
        Path kernel,
        Optional<Path> disk,
        String nvme,
        List<Namespace> namespaces,
        List<String> devices,
        List<String> more,
        String append,
        boolean isClockCounting) {

    /** A namespace of the drive: its image, and properties of QEMU's nvme-ns. */
    record Namespace(Path image, String properties) {}

    /** Where skiboot puts the initrd, there is room for so much. */
    private static final long INITRD = 128L << 20;

    private static final Duration LIMIT = Duration.ofMinutes(2);

    /** The encodings that firmware of real hosts gives: for 4K, 64K, 2M and 1G, the AP field above the shift. */
    private static final List<String> RADIX_PAGES = List.of("0x0000000c", "0xa0000010", "0x20000015", "0x4000001e");

    /**
     * A guest that is lost ends at once and prints its whole log (panic_print). Until then its kernel keeps off the
     * console: it cuts into what is sent there, character by character.
     */
    private static final String PARAMETERS =
            "console=hvc0 loglevel=1 panic=-1 panic_print=0x20 oops=panic softlockup_panic=1 nmi_watchdog=panic";

    /** The host may leave a guest without a processor for a while, which its watchdogs count only by the real clock. */
    private String parameters() {
        String watchdogs = isClockCounting ? " watchdog_thresh=30" : " nowatchdog";
        return (PARAMETERS + watchdogs + " " + append).strip();
    }

    void checkInitrd(long size) throws Failure {
        if (machine.isPowernv() && size > INITRD) {
            throw new Failure("the guest's files take " + (size >> 20) + " MiB, and firmware of " + machine
                    + " takes 128: leave out some of --with, --jar and --class-path, or use --machine pseries");
        }
    }

    /** All but what the consoles are connected to. Writes files into the directory. */
    List<String> command(Path initrd, Path work) throws Failure, IOException, InterruptedException {
        Path qemuLog = work.resolve("qemu.log");
        Guest.touch(qemuLog);
        List<String> options = new ArrayList<>(List.of("-accel", "tcg,thread=single"));
        // Processors take turns in one thread: if they run side by side, one that reads a register of firmware's or of
        // the interrupt controller while another one moves a BAR finds nothing there, and that machine check ends the
        // guest.
        options.addAll(List.of("-smp", Integer.toString(machine.processors())));
        if (isClockCounting) {
            options.addAll(List.of("-icount", "shift=1,sleep=off"));
        }
        options.addAll(machine.options());
        options.addAll(List.of("-display", "none", "-nic", "none", "-no-reboot"));
        options.addAll(List.of("-kernel", kernel.resolve("vmlinux").toString(), "-initrd", initrd.toString()));
        options.addAll(List.of("-d", "guest_errors", "-D", qemuLog.toString()));
        if (namespaces.isEmpty() && disk.isPresent()) {
            addImage(options, "disk", disk.get());
        } else if (namespaces.isEmpty()) {
            options.addAll(List.of("-drive", "driver=null-co,read-zeroes=on,size=512M,if=none,id=disk"));
        }
        addDevices(options, work);
        options.addAll(more);
        List<String> parameters = List.of("-append", parameters());
        List<String> command = new ArrayList<>(program);
        if (machine.lacksRadixPages()) {
            Path tree = deviceTree(options, parameters, work);
            command.addAll(List.of("-machine", machine.toString(), "-dtb", tree.toString()));
            command.addAll(options);
        } else {
            command.addAll(List.of("-machine", machine.toString()));
            command.addAll(options);
            command.addAll(parameters);
        }
        return command;
    }

    private void addDevices(List<String> options, Path work) throws IOException {
        List<String> buses = machine.buses(3 + devices.size(), options);
        String edu = "edu,dma_mask=0xffffffffffffffff,bus=";
        options.addAll(List.of("-device", edu + buses.get(0), "-device", edu + buses.get(1)));
        Path rom = work.resolve("rom");
        Files.write(rom, Rom.image());
        String subsystem = "nvme-subsys,id=subsystem,nqn=jvfio";
        String medium = namespaces.isEmpty() ? "drive=disk" : "id=controller,subsys=subsystem";
        if (!namespaces.isEmpty()) {
            options.addAll(List.of("-device", subsystem));
        }
        options.addAll(List.of(
                "-device",
                "nvme," + medium + ",serial=jvfio,romfile=" + comma(rom) + ",bus=" + buses.get(2)
                        + (nvme.isEmpty() ? "" : "," + nvme)));
        for (int i = 0; i < namespaces.size(); i++) {
            Namespace namespace = namespaces.get(i);
            addImage(options, "namespace" + i, namespace.image());
            options.addAll(
                    List.of("-device", "nvme-ns,drive=namespace" + i + ",bus=controller," + namespace.properties()));
        }
        for (int i = 0; i < devices.size(); i++) {
            String device = devices.get(i);
            // A network card brings an expansion ROM, which the host's QEMU may not have, and which is for x86.
            String rest = device.contains(",romfile=") ? "" : ",romfile=";
            rest += device.contains(",bus=") ? "" : ",bus=" + buses.get(3 + i);
            options.addAll(List.of("-device", device + rest));
        }
    }

    private static void addImage(List<String> options, String id, Path image) {
        options.addAll(List.of("-drive", "file=" + comma(image) + ",if=none,id=" + id + ",format=raw"));
    }

    /** The device tree that QEMU would give, with the sizes of huge pages added. Then the kernel has some. */
    private Path deviceTree(List<String> options, List<String> parameters, Path work)
            throws Failure, IOException, InterruptedException {
        Path tree = work.resolve("machine.dtb");
        List<String> dump = new ArrayList<>(program);
        dump.addAll(List.of("-machine", machine + ",dumpdtb=" + comma(tree), "-serial", "null", "-monitor", "none"));
        dump.addAll(options);
        dump.addAll(parameters);
        Commands.Ended dumped = Commands.run(work, LIMIT, dump);
        if (dumped.status() != 0 || !Files.exists(tree)) {
            throw new Failure(
                    "QEMU did not start the machine: " + dumped.output().strip());
        }
        Commands.Ended listed = Commands.output(work, LIMIT, List.of("fdtget", "--list", tree.toString(), "/cpus"));
        for (String node : listed.lines()) {
            if (node.startsWith("PowerPC,")) {
                List<String> put = new ArrayList<>(List.of(
                        "fdtput", "--type", "x", tree.toString(), "/cpus/" + node, "ibm,processor-radix-AP-encodings"));
                put.addAll(RADIX_PAGES);
                Commands.Ended ended = Commands.run(work, LIMIT, put);
                if (ended.status() != 0) {
                    throw new Failure("fdtput: " + ended.output().strip());
                }
            }
        }
        return tree;
    }

    private static String comma(Path path) {
        return path.toString().replace(",", ",,");
    }
}
