package power;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;

/**
 * One suite of a Debian archive, read by an apt with directories of its own: the host's lists, packages, architectures
 * and settings stay as they are. apt checks signatures and hashes.
 */
final class Archive {
    /**
     * Where packages come from.
     *
     * @param options apt's for a source, which say whom to trust
     * @param retries how often what failed is asked for again
     * @param silence how long a connection may keep silent
     * @param index how long an index may take
     * @param download how long packages may take, beside what their size allows
     */
    record Mirror(String site, String options, int retries, Duration silence, Duration index, Duration download) {
        private static final String KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

        static Mirror of(String site) {
            return new Mirror(
                    site,
                    "signed-by=" + KEYRING,
                    2,
                    Duration.ofSeconds(20),
                    Duration.ofMinutes(5),
                    Duration.ofMinutes(1));
        }
    }

    /** The mirror does not have what was asked for. The reason is one line. */
    static final class Unavailable extends Exception {
        private static final long serialVersionUID = 1;

        private final String reason;

        Unavailable(String reason) {
            super(reason);
            this.reason = reason;
        }

        String reason() {
            return reason;
        }
    }

    /** A mirror that gives less than this is as good as one that has stopped. */
    private static final long BYTES_PER_SECOND = 64 << 10;

    private final Path root;
    private final String name;
    private final Mirror mirror;
    private final List<String> suites;
    private final List<String> options;

    /**
     * Reads nothing yet.
     *
     * @param parent has apt's directories for each suite
     * @param suites the suite, and those that its packages depend on
     */
    Archive(Path parent, Mirror mirror, String architecture, List<String> suites) {
        this.name = suites.getFirst();
        this.root = parent.resolve(String.join("+", suites) + "-" + architecture);
        this.mirror = mirror;
        this.suites = suites;
        options = List.of(
                "-qq",
                "-oDir::State=" + root,
                "-oDir::State::status=/dev/null",
                "-oDir::Cache=" + root,
                "-oDir::Etc::sourcelist=" + root + "/sources.list",
                "-oDir::Etc::sourceparts=/dev/null",
                "-oDir::Etc::preferences=/dev/null",
                "-oDir::Etc::preferencesparts=/dev/null",
                "-oAPT::Architecture=" + architecture,
                "-oAPT::Architectures=" + architecture,
                "-oAPT::Sandbox::User=root",
                "-oAPT::Install-Recommends=false",
                "-oAPT::Update::Error-Mode=any",
                "-oAcquire::Languages=none",
                "-oAcquire::Retries=" + mirror.retries(),
                "-oAcquire::Retries::Delay::Maximum=2",
                "-oAcquire::http::Timeout=" + mirror.silence().toSeconds(),
                "-oAcquire::https::Timeout=" + mirror.silence().toSeconds(),
                "-oAcquire::ftp::Timeout=" + mirror.silence().toSeconds(),
                "-oDebug::NoLocking=true");
    }

    String name() {
        return name;
    }

    /** Brings the index up to date. What was read before stays if that fails. */
    void update() throws Unavailable, IOException, InterruptedException {
        Files.createDirectories(root.resolve("lists/partial"));
        Files.createDirectories(root.resolve("archives/partial"));
        StringBuilder list = new StringBuilder();
        for (String suite : suites) {
            list.append("deb [")
                    .append(mirror.options())
                    .append("] ")
                    .append(mirror.site())
                    .append(' ')
                    .append(suite)
                    .append(" main\n");
        }
        Files.writeString(root.resolve("sources.list"), list);
        Commands.Ended ended = Commands.run(root, mirror.index(), command("apt-get", "update"));
        if (ended.status() != 0) {
            throw new Unavailable("its index cannot be read: " + reason(ended, mirror.index()));
        }
    }

    /** What the index has; nothing, if none was ever read. */
    List<DebianPackage> packages() throws IOException, InterruptedException {
        List<DebianPackage> packages = new ArrayList<>();
        if (!Files.exists(root.resolve("sources.list"))) {
            return packages;
        }
        List<String> files = Commands.output(
                        root,
                        mirror.index(),
                        command("apt-get", "indextargets", "--format", "$(FILENAME)", "Created-By: Packages"))
                .lines();
        for (String file : files) {
            Commands.Ended index =
                    Commands.output(root, mirror.index(), List.of("/usr/lib/apt/apt-helper", "cat-file", file));
            packages.addAll(DebianPackage.parse(index.output()));
        }
        return packages;
    }

    /** The packages that an empty system needs to have this one, this one included. */
    List<DebianPackage> closure(String packageName) throws Unavailable, IOException, InterruptedException {
        List<String> command = command("apt-get", "--simulate", "--target-release", name, "install", packageName);
        Commands.Ended ended = Commands.run(root, mirror.index(), command);
        if (ended.status() != 0) {
            throw new Unavailable(packageName + " cannot be chosen: " + reason(ended, mirror.index()));
        }
        List<DebianPackage> known = packages();
        List<DebianPackage> closure = new ArrayList<>();
        for (String line : ended.lines()) {
            String[] words = line.split("[ (]+", -1);
            if (words.length > 2 && words[0].equals("Inst")) {
                known.stream()
                        .filter(one -> one.name().equals(words[1])
                                && one.version().text().equals(words[2]))
                        .findFirst()
                        .ifPresent(closure::add);
            }
        }
        return closure;
    }

    /** Downloads the packages into a directory, as files NAME_VERSION_ARCHITECTURE.deb. */
    void download(Path directory, List<DebianPackage> packages) throws Unavailable, IOException, InterruptedException {
        long size = packages.stream().mapToLong(DebianPackage::size).sum();
        Duration limit = mirror.download().plusSeconds(size / BYTES_PER_SECOND);
        List<String> command = command("apt-get", "download");
        packages.forEach(one -> command.add(one.exactly()));
        Commands.Ended ended = Commands.run(directory, limit, command);
        if (ended.status() != 0) {
            throw new Unavailable(reason(ended, limit));
        }
    }

    private List<String> command(String program, String... arguments) {
        List<String> command = new ArrayList<>(List.of(program));
        command.addAll(options);
        command.addAll(List.of(arguments));
        return command;
    }

    /** apt's first error, in one line. */
    private static String reason(Commands.Ended ended, Duration limit) {
        if (ended.status() == Commands.STOPPED) {
            return "the mirror is too slow, no end after " + limit.toSeconds() + " s";
        }
        String text = Stream.of("E: .*", "W: .*", ".+")
                .flatMap(pattern -> ended.lines().stream().filter(line -> line.matches(pattern)))
                .findFirst()
                .orElse("apt-get's exit status is " + ended.status());
        return text.replaceFirst("^[EW]: ", "")
                .replaceAll("\\s+", " ")
                .replaceFirst("^F", "f")
                .strip();
    }

    @Override
    public String toString() {
        return String.format(Locale.ROOT, "%s of %s", suites, mirror.site());
    }
}
