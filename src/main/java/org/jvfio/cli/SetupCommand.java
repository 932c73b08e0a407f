package org.jvfio.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import org.jvfio.ByteSize;

/** {@code jvfio setup}: the files that let an ordinary user run drivers. */
final class SetupCommand extends Command {
    private static final Pattern USER = Pattern.compile("[a-z_][a-z0-9_-]{0,30}\\$?");
    private static final long DEFAULT_MEMLOCK = 1L << 30;
    private static final long KIB = 1024;
    private static final int DRIFT = 1;

    SetupCommand() {
        super("setup", "print or write the files that let a user run drivers, or check them");
    }

    @Override
    void describe(CommandSyntax syntax) {
        HostChoice.addTo(syntax)
                .option("user", "NAME", "let this user run drivers (required)")
                .option("memlock", "BYTES", "let the user lock this much memory (default: 1G)")
                .flag("apply", "write the files, as root")
                .flag("check", "report the files that are missing or different, and change nothing")
                .option("root", "DIRECTORY", "write or check the files below this directory (default: /)")
                .about("Four files: a udev rule that gives the user the device files of IOMMU groups, a limit of locked"
                        + " memory, the list of modules that are loaded at boot, and the options of vfio-pci. Without"
                        + " --apply and --check they are printed. The user can then make the devices that are bound to"
                        + " vfio-pci do DMA; they reach memory that is mapped for them only.")
                .status(DRIFT, "with --check: a file is missing or different; otherwise: not done")
                .json(JsonShape.object("the files")
                        .with("user", JsonShape.string("who may run drivers"))
                        .with("memlockBytes", JsonShape.integer("locked memory that the user may have"))
                        .with(
                                "files",
                                JsonShape.list(
                                        "the files",
                                        JsonShape.object("a file")
                                                .with("path", JsonShape.string("where it is"))
                                                .with("text", JsonShape.string("what is in it"))
                                                .withOptional(
                                                        "state",
                                                        JsonShape.word(
                                                                "with --check or --apply",
                                                                List.of(
                                                                        "current",
                                                                        "missing",
                                                                        "different",
                                                                        "written")))))
                        .with(
                                "commands",
                                JsonShape.strings("commands that make them effective now, but for the limit")))
                .example("jvfio setup --user alice", "see what would be written")
                .example("jvfio setup --user alice --memlock 4G --apply", "write the files, as root")
                .example("jvfio setup --user alice --memlock 4G --check", "check whether they are still so");
    }

    @Override
    int run(Invocation in) throws Failure {
        String user = in.value("user").orElseThrow(() -> Failure.usage("setup needs --user NAME"));
        if (!USER.matcher(user).matches()) {
            throw Failure.usage("--user: '" + user + "' is not a user name");
        }
        if (in.has("apply") && in.has("check")) {
            throw Failure.usage("setup: --apply and --check exclude each other");
        }
        long memlock = in.bytes("memlock", DEFAULT_MEMLOCK);
        if (memlock < KIB) {
            throw Failure.usage("--memlock %s: use at least 1K".formatted(ByteSize.format(memlock)));
        }
        HostChoice choice = HostChoice.of(in);
        Map<String, String> files = files(user, memlock);
        boolean touches = in.has("apply") || in.has("check");
        Map<String, String> states = new LinkedHashMap<>();
        if (touches) {
            SystemFiles system = SystemFiles.of(in, choice);
            for (Map.Entry<String, String> file : files.entrySet()) {
                states.put(
                        file.getKey(),
                        system.isCurrent(file.getKey(), file.getValue())
                                ? "current"
                                : system.exists(file.getKey()) ? "different" : "missing");
            }
            if (in.has("apply")) {
                try (FileDrafts drafts = system.draft(files)) {
                    drafts.commit();
                }
                states.replaceAll((path, state) -> state.equals("current") ? state : "written");
            }
        }
        report(in, user, memlock, files, states);
        return in.has("check") && states.values().stream().anyMatch(state -> !state.equals("current")) ? DRIFT : 0;
    }

    private static Map<String, String> files(String user, long memlock) {
        long kib = Math.ceilDiv(memlock, KIB);
        Map<String, String> files = new LinkedHashMap<>();
        files.put(
                "etc/udev/rules.d/70-jvfio.rules",
                "# Written by jvfio setup: %1$s may take the IOMMU groups that are bound to vfio-pci.\nSUBSYSTEM==\"vfio\", KERNEL==\"[0-9]*\", OWNER=\"%1$s\", MODE=\"0600\"\nKERNEL==\"vfio\", SUBSYSTEM==\"misc\", MODE=\"0666\"\n"
                        .formatted(user));
        files.put(
                "etc/security/limits.d/70-jvfio.conf",
                "# Written by jvfio setup: DMA memory and TCE tables are locked memory, in KiB.\n%1$s soft memlock %2$d\n%1$s hard memlock %2$d\n"
                        .formatted(user, kib));
        files.put(SystemFiles.MODULES, SystemFiles.modules());
        files.put(
                "etc/modprobe.d/jvfio.conf",
                "# Written by jvfio setup: some devices freeze their PE when they come back from D3hot.\noptions vfio-pci disable_idle_d3=1\n");
        return files;
    }

    private static List<String> commands() {
        return List.of(
                "udevadm control --reload && udevadm trigger --subsystem-match=vfio --subsystem-match=misc",
                "modprobe -a vfio-pci vfio_iommu_spapr_tce");
    }

    private static void report(
            Invocation in, String user, long memlock, Map<String, String> files, Map<String, String> states) {
        if (in.json()) {
            List<Map<String, Object>> list = new ArrayList<>();
            files.forEach((path, text) -> {
                Map<String, Object> file = Json.object("path", "/" + path, "text", text);
                if (states.containsKey(path)) {
                    file.put("state", states.getOrDefault(path, ""));
                }
                list.add(file);
            });
            in.out()
                    .println(Json.text(
                            Json.object("user", user, "memlockBytes", memlock, "files", list, "commands", commands())));
            return;
        }
        if (states.isEmpty()) {
            files.forEach((path, text) -> in.out().print("==> /" + path + " <==\n" + text + "\n"));
        } else {
            Table table = new Table("FILE", "STATE");
            states.forEach((path, state) -> table.row("/" + path, state));
            table.print(in.out(), in.terminal());
        }
        if (!in.has("check")) {
            in.out().println(in.has("apply") ? "To make them effective now:" : "Then, to make them effective now:");
            commands().forEach(command -> in.out().println("  " + command));
            in.out().println("  the limit holds from the user's next login on");
        }
    }
}
