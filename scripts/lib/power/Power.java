package power;

import java.io.Console;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/** {@code scripts/power}: boots a real Linux kernel on an emulated POWER machine, with this project and a JRE in it. */
final class Power {
    private static final int CLOSED_PIPE = 141;
    private static final Duration LIMIT = Duration.ofMinutes(2);
    private static final long DISK = 512L << 20;
    private static final long NAMESPACE = 64L << 20;
    private static final int OLDEST_QEMU = 10;
    private static final String QEMU = "qemu-system-ppc64";
    private static final int MAX_DIRECTORY = 60;

    /** Programs that are used here, and Debian's packages with them. */
    private static final Map<String, String> TOOLS = new LinkedHashMap<>(Map.of(
            "apt-get", "apt",
            "dpkg-deb", "dpkg",
            "zstd", "zstd",
            "xz", "xz-utils",
            "fdtput", "device-tree-compiler"));

    private static final Path KEYRING = Path.of("/usr/share/keyrings/debian-archive-keyring.gpg");

    private final Options options;
    private final Path project;
    private final Path cache;
    private final Path work;

    private Power(Options options, Path project, Path cache, Path work) {
        this.options = options;
        this.project = project;
        this.cache = cache;
        this.work = work;
    }

    public static void main(String[] words) throws InterruptedException {
        int status;
        try {
            status = run(Path.of(words[0]), List.of(words).subList(1, words.length));
        } catch (Failure e) {
            say(e.text());
            status = e.status();
        } catch (Guest.ClosedPipe e) {
            status = CLOSED_PIPE;
        } catch (IOException e) {
            say(e.toString());
            status = Failure.FAILED;
        }
        System.exit(status);
    }

    private static int run(Path project, List<String> words) throws Failure, IOException, InterruptedException {
        Options options = Options.parse(words);
        if (options.isHelp()) {
            System.out.print(Files.readString(project.resolve("scripts/lib/power/help.txt")));
            return 0;
        }
        if (options.command() == Options.Command.SHELL && !hasTerminal()) {
            throw Failure.misuse("shell needs a terminal; without one, give the command to run");
        }
        Map<String, String> environment = System.getenv();
        String home = environment.getOrDefault("XDG_CACHE_HOME", "");
        Path cache = (home.isEmpty() ? Path.of(environment.getOrDefault("HOME", "/root"), ".cache") : Path.of(home))
                .resolve("jvfio/power")
                .toAbsolutePath();
        Path temporary = Path.of(environment.getOrDefault("TMPDIR", "/tmp")).toAbsolutePath();
        // The path of a socket has at most 107 bytes.
        if (temporary.toString().length() > MAX_DIRECTORY) {
            temporary = Path.of("/tmp");
        }
        Path work = Files.createTempDirectory(temporary, "power");
        Ending.deleteAtEnd(work);
        return new Power(options, project, cache, work).run();
    }

    /** JDK 22 to 24 give a console that is no terminal; before and since there is none then. */
    @SuppressWarnings("SystemConsoleNull")
    private static boolean hasTerminal() {
        Console console = System.console();
        return console != null && console.isTerminal();
    }

    private static void say(String message) {
        System.err.println("power: " + message);
    }

    private Path power() {
        return project.resolve("scripts/lib/power");
    }

    private Path target() {
        return project.resolve("target");
    }

    private boolean needsTests() {
        return switch (options.command()) {
            case TEST, JUNIT, DIFF -> true;
            default -> false;
        };
    }

    private int run() throws Failure, IOException, InterruptedException {
        requireTools();
        if (options.command() == Options.Command.JMODS) {
            try (Cache kept = new Cache(cache, Power::say)) {
                System.out.println(parts(kept).jmods().resolve("jmods"));
            }
            return 0;
        }
        if (options.command() != Options.Command.VERSIONS) {
            build();
        }
        Lab lab;
        try (Cache kept = new Cache(cache, Power::say)) {
            lab = lab(kept);
        }
        if (options.command() == Options.Command.VERSIONS) {
            lab.versions().forEach(System.out::println);
            return 0;
        }
        say(lab.report());
        return new Job(lab).run();
    }

    private void build() throws Failure, IOException, InterruptedException {
        String script = "set -euo pipefail; source scripts/lib/jdk.sh; source scripts/lib/build.sh; require_jdk25; ";
        List<String> command = List.of("bash", "-c", script + (needsTests() ? "build_tests" : "build_project"));
        if (Commands.runHere(project, command) != 0) {
            throw new Failure("the project is not built");
        }
    }

    /** Checks for the programs that are used here; as root installs what is missing. */
    private void requireTools() throws Failure, IOException, InterruptedException {
        List<String> missing = new ArrayList<>();
        TOOLS.forEach((tool, name) -> {
            if (!Commands.isOnPath(tool)) {
                missing.add(name);
            }
        });
        if (!Files.isReadable(KEYRING)) {
            missing.add("debian-archive-keyring");
        }
        if (missing.isEmpty()) {
            return;
        }
        String script = "source scripts/lib/jdk.sh; for name; do apt_install \"$name\" || exit; done";
        List<String> command = new ArrayList<>(List.of("bash", "-c", script, "install"));
        command.addAll(missing);
        if (Commands.runHere(project, command) != 0) {
            throw new Failure("missing: install " + String.join(" ", missing) + " (Debian's package names)");
        }
    }

    private String site() throws Failure, IOException, InterruptedException {
        if (options.mirror().isPresent()) {
            return options.mirror().get();
        }
        Path release = Path.of("/etc/os-release");
        List<String> lines = Files.exists(release) ? Files.readAllLines(release) : List.of();
        String codename = lines.stream()
                .filter(line -> line.startsWith("VERSION_CODENAME="))
                .map(line -> line.substring(line.indexOf('=') + 1).replace("\"", ""))
                .findFirst()
                .orElse("");
        Commands.Ended targets = Commands.output(
                work, LIMIT, List.of("apt-get", "indextargets", "--no-release-info", "--format", "$(RELEASE) $(SITE)"));
        return targets.lines().stream()
                .filter(line -> lines.contains("ID=debian") && line.startsWith(codename + " "))
                .map(line -> line.substring(codename.length() + 1))
                .findFirst()
                .orElseThrow(
                        () -> new Failure("apt is not set up for Debian here: name a Debian mirror with --mirror URL"));
    }

    private Parts parts(Cache kept) {
        Sites sites = new Sites();
        Fetcher guest = new Fetcher(suites -> sites.archive(false, suites), Power::say);
        Fetcher host = new Fetcher(suites -> sites.archive(true, suites), Power::say);
        return new Parts(kept, guest, host, options.isUpdate(), Power::say);
    }

    /** All that a machine is made of, from the cache. */
    private Lab lab(Cache kept) throws Failure, IOException, InterruptedException {
        Parts parts = parts(kept);
        QemuProgram qemu = qemu(parts);
        Path kernel = parts.kernel(options.suite(), options.pageKib());
        Path java = parts.java(options.java());
        Lab lab = new Lab(qemu, kernel, java, new ArrayList<>());
        if (options.command() == Options.Command.VERSIONS) {
            return lab;
        }
        String release = "-java" + options.java();
        String pages = options.pageKib() + "k";
        List<Path> scripts = List.of(
                power().resolve("init"),
                power().resolve("java"),
                power().resolve("jvfio"),
                power().resolve("kernel-nvme"));
        StringBuilder key = new StringBuilder();
        for (Path script : scripts) {
            key.append(Files.readString(script));
        }
        Path initrd = kept.keep(
                "initrd-" + options.suite() + "-" + pages + release,
                Cache.hash(
                        key.toString(),
                        lab.kernelVersions().toString(),
                        lab.javaVersions().toString()),
                false,
                (directory, old) -> {
                    say("making the initrd ...");
                    Cpio.compress(directory.resolve("initrd"), archive -> {
                        archive.tree("", java.resolve("root"));
                        archive.tree("modules", kernel.resolve("modules"));
                        archive.program("init", power().resolve("init"));
                        for (Path script : scripts.subList(1, scripts.size())) {
                            archive.program("bin/" + script.getFileName(), script);
                        }
                    });
                    return true;
                });
        lab.initrds().add(initrd.resolve("initrd"));
        ClassArchives archives = new ClassArchives(lab);
        Path classes = kept.keep(
                "classes-" + pages + release,
                Cache.hash(ClassArchives.JRE, lab.javaVersions().toString()),
                false,
                (directory, old) -> archives.makeJre(directory));
        lab.initrds().add(classes.resolve("initrd"));
        if (options.command() == Options.Command.TEST || options.command() == Options.Command.JUNIT) {
            JUnit junit = new JUnit();
            Path warmUp = project.resolve("src/test/java/power/WarmUp.java");
            String hash = Cache.hash(
                    lab.javaVersions().toString(),
                    String.join(" ", junit.archiving()),
                    String.join(" ", junit.sizes()),
                    Files.readString(warmUp));
            Path made = kept.keep(
                    "junit-" + pages + release, hash, false, (directory, old) -> archives.makeJUnit(directory, junit));
            lab.initrds().add(made.resolve("initrd"));
        }
        return lab;
    }

    /** The archives to fetch from. The host's mirror is looked up once it is needed: a full cache needs none. */
    private final class Sites {
        private String site = "";

        Archive archive(boolean isForHost, List<String> suites) throws Failure, IOException, InterruptedException {
            if (site.isEmpty()) {
                site = Power.this.site();
            }
            String architecture = isForHost
                    ? Commands.output(work, LIMIT, List.of("dpkg", "--print-architecture"))
                            .output()
                            .strip()
                    : "ppc64el";
            return new Archive(cache.resolve("apt"), Archive.Mirror.of(site), architecture, suites);
        }
    }

    private record QemuProgram(List<String> command, String version) {}

    /** The host's QEMU, if it is new enough, or one of Debian's with its own loader and libraries. */
    private QemuProgram qemu(Parts parts) throws Failure, IOException, InterruptedException {
        String wanted = options.qemu().orElse("");
        if (wanted.isEmpty() || wanted.equals("host")) {
            Matcher version = Pattern.compile("version (([0-9]+)\\.[0-9.]+)")
                    .matcher(
                            Commands.isOnPath(QEMU)
                                    ? Commands.output(work, LIMIT, List.of(QEMU, "--version"))
                                            .output()
                                    : "");
            boolean isThere = version.find();
            if (isThere && Integer.parseInt(version.group(2)) >= OLDEST_QEMU) {
                return new QemuProgram(List.of(QEMU), version.group(1) + " of this host");
            }
            if (wanted.equals("host")) {
                throw new Failure("this host has " + (isThere ? "QEMU " + version.group(1) : "no " + QEMU)
                        + ": install 10.0 or newer, or leave out --qemu host");
            }
        }
        Path directory = parts.qemu(wanted.isEmpty() ? "trixie" : wanted);
        Path root = directory.resolve("root");
        Path loader;
        List<String> libraries;
        try (Stream<Path> files = Files.find(
                root,
                4,
                (file, attributes) ->
                        file.getFileName().toString().matches("ld-linux.*\\.so\\.[0-9]+|ld64\\.so\\.[0-9]+")
                                && Files.exists(file))) {
            loader = files.findFirst().orElseThrow(() -> new Failure(root + " has no loader; try --update"));
        }
        try (Stream<Path> files = Files.find(
                root,
                3,
                (file, attributes) -> file.getFileName().toString().contains("-linux-gnu")
                        && Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS))) {
            libraries = files.filter(file -> String.valueOf(file.getParent()).endsWith("lib"))
                    .flatMap(file -> Stream.of(file, file.resolve("systemd")))
                    .map(Path::toString)
                    .sorted()
                    .toList();
        }
        List<String> command = List.of(
                loader.toString(),
                "--library-path",
                String.join(":", libraries),
                root.resolve("usr/bin/" + QEMU).toString(),
                "-L",
                root.resolve("usr/share/qemu").toString());
        Parts.Versions versions = Parts.Versions.of(directory);
        return new QemuProgram(command, versions.version(QEMU.replace("64", "")) + " of " + versions.suite());
    }

    /** What a machine is made of. */
    private final class Lab {
        private final QemuProgram qemu;
        private final Path kernel;
        private final Path java;
        private final List<Path> initrds;

        Lab(QemuProgram qemu, Path kernel, Path java, List<Path> initrds) {
            this.qemu = qemu;
            this.kernel = kernel;
            this.java = java;
            this.initrds = initrds;
        }

        List<Path> initrds() {
            return initrds;
        }

        Parts.Versions kernelVersions() throws IOException {
            return Parts.Versions.of(kernel);
        }

        Parts.Versions javaVersions() throws IOException {
            return Parts.Versions.of(java);
        }

        List<String> versions() throws IOException {
            Parts.Versions linux = kernelVersions();
            Parts.Versions jre = javaVersions();
            return List.of(
                    "linux    " + linux.version("linux-(image|binary)-.*") + " of " + linux.suite() + ", "
                            + options.pageKib() + "K pages",
                    "qemu     " + qemu.version(),
                    "java     " + jre.version("openjdk-.*") + " of " + jre.suite(),
                    "libc     " + jre.version("libc6") + " of " + jre.suite(),
                    "busybox  " + jre.version("busybox-static") + " of " + jre.suite());
        }

        String report() throws IOException {
            List<String> versions = versions().stream()
                    .map(line -> line.replaceFirst(" +", " "))
                    .toList();
            return options.machine() + "; " + String.join("; ", versions) + "; "
                    + (options.isClockCounting() ? "counting" : "real") + " clock";
        }

        Guest.Setup setup(Machine machine, List<String> more, Options chosen) throws IOException {
            Optional<Path> disk = Optional.empty();
            if (!options.hasNullDisk()) {
                disk = options.disk().or(() -> Optional.of(work.resolve("disk")));
                if (!Files.exists(disk.get())) {
                    makeImage(disk.get(), DISK);
                }
            }
            List<Qemu.Namespace> namespaces = new ArrayList<>();
            for (String properties : chosen.namespaces()) {
                Path image = work.resolve("namespace" + namespaces.size());
                makeImage(image, NAMESPACE);
                namespaces.add(new Qemu.Namespace(image, properties));
            }
            return new Guest.Setup(
                    new Qemu(
                            qemu.command(),
                            machine,
                            kernel,
                            disk,
                            chosen.nvme(),
                            namespaces,
                            chosen.devices(),
                            more,
                            chosen.append(),
                            chosen.isClockCounting()),
                    List.copyOf(initrds),
                    chosen.timeout(),
                    chosen.isClockCounting(),
                    chosen.kernelLog(),
                    chosen.qemuLog());
        }
    }

    private static void makeImage(Path path, long bytes) throws IOException {
        try (RandomAccessFile file = new RandomAccessFile(path.toFile(), "rw")) {
            file.setLength(bytes);
        }
    }

    /** How JUnit's console launcher is run in the guest. */
    private final class JUnit {
        private static final Pattern OF_JUNIT = Pattern.compile("(junit-|opentest4j-|open-test-reporting-).*");

        private final List<String> launcherJars = new ArrayList<>();
        private final List<String> otherJars = new ArrayList<>();
        private final List<String> sizes = new ArrayList<>();

        JUnit() throws IOException {
            try (Stream<Path> files = Files.list(target().resolve("test-lib"))) {
                for (Path jar : files.filter(file -> file.toString().endsWith(".jar"))
                        .sorted()
                        .toList()) {
                    String name = String.valueOf(jar.getFileName());
                    boolean isOfJUnit = OF_JUNIT.matcher(name).matches();
                    (isOfJUnit ? launcherJars : otherJars).add("/jvfio/test-lib/" + name);
                    sizes.add(name + " " + Files.size(jar));
                }
            }
        }

        List<String> sizes() {
            return sizes;
        }

        /** An archive of classes is for the beginning of the class path that it was made with. */
        private List<String> java(String archive, List<String> moreClassPath) {
            return List.of(
                    "/jre/bin/java",
                    "--enable-native-access=ALL-UNNAMED",
                    "-XX:+UseSerialGC",
                    "-XX:TieredStopAtLevel=1",
                    "-Xmx1g",
                    "-XX:+UnlockDiagnosticVMOptions",
                    "-XX:ArchiveRelocationMode=0",
                    archive,
                    "-cp",
                    String.join(
                            ":",
                            Stream.concat(launcherJars.stream(), moreClassPath.stream())
                                    .toList()));
        }

        private List<String> launcher() {
            return List.of(
                    "org.junit.platform.console.ConsoleLauncher",
                    "execute",
                    "--disable-banner",
                    "--disable-ansi-colors",
                    "--include-engine=junit-jupiter");
        }

        List<String> archiving() {
            List<String> command = new ArrayList<>(java("-XX:ArchiveClassesAtExit=/tmp/junit.jsa", List.of()));
            command.addAll(launcher());
            command.addAll(List.of("--class-path=/jvfio/warm-up", "--select-class=power.WarmUp"));
            return command;
        }

        /** Runs tests of classes whose path goes before everything else but JUnit. */
        List<String> tests(List<String> classPath, List<String> more) {
            List<String> all = new ArrayList<>(classPath);
            all.addAll(otherJars);
            List<String> command = new ArrayList<>(java("-XX:SharedArchiveFile=/jre/lib/server/junit.jsa", all));
            command.addAll(1, javaOptions());
            command.add(command.indexOf("-cp"), "-Djvfio.kernel=linux");
            command.addAll(launcher());
            command.add("--fail-if-no-tests");
            command.addAll(more);
            return command;
        }

        List<String> differential(List<String> more) {
            List<String> all = new ArrayList<>(List.of("/jvfio/test-classes", "/jvfio/jvfio.jar"));
            all.addAll(otherJars);
            List<String> command = new ArrayList<>(java("-XX:SharedArchiveFile=/jre/lib/server/classes.jsa", all));
            String name = options.isNvmeDiff() ? "NvmeDifferentialCommand" : "DifferentialCommand";
            command.add("org.jvfio.contract.random." + name);
            command.addAll(more);
            return command;
        }

        void addLibraries(Cpio archive) throws IOException {
            archive.tree("jvfio/test-lib", target().resolve("test-lib"));
        }
    }

    /** More options for the JVM in the guest, from the variable that scripts/jvfio has them from, too. */
    private static List<String> javaOptions() {
        String words = System.getenv().getOrDefault("JVFIO_JAVA_OPTIONS", "").strip();
        return words.isEmpty() ? List.of() : List.of(words.split("\\s+"));
    }

    /**
     * The guest's PATH has a java with these. The archive of classes is mapped where it was made for: moving takes
     * longer.
     */
    private String defaultJavaOptions() {
        String always = "-XX:+UseSerialGC -XX:+UnlockDiagnosticVMOptions -XX:ArchiveRelocationMode=0";
        return options.hasC2() ? always : always + " -XX:TieredStopAtLevel=1";
    }

    /**
     * Archives of loaded classes (class data sharing), without which a JVM takes several times as long to start on an
     * emulated processor. Debian's own fits kernels with 4K pages only. They are made in a guest, and fit every machine
     * with its page size.
     */
    private final class ClassArchives {
        static final String JRE = "/jre/bin/java --enable-native-access=ALL-UNNAMED -XX:+UseSerialGC"
                + " -Xshare:dump -XX:SharedArchiveFile=/tmp/classes.jsa";

        private final Lab lab;

        ClassArchives(Lab lab) {
            this.lab = lab;
        }

        boolean makeJre(Path directory) throws Failure, IOException, InterruptedException {
            say("preparing the JRE ...");
            make(directory, "classes.jsa", JRE, archive -> {});
            return true;
        }

        /** On top of the JRE's, from a run of a small test. */
        boolean makeJUnit(Path directory, JUnit junit) throws Failure, IOException, InterruptedException {
            say("preparing JUnit ...");
            Path classes = target().resolve("test-classes/power");
            make(directory, "junit.jsa", Commands.quote(junit.archiving()), archive -> {
                junit.addLibraries(archive);
                try (Stream<Path> files = Files.list(classes)) {
                    for (Path file : files.filter(
                                    one -> String.valueOf(one.getFileName()).matches("WarmUp(\\$.*)?\\.class"))
                            .sorted()
                            .toList()) {
                        archive.tree("jvfio/warm-up/power/" + file.getFileName(), file);
                    }
                }
            });
            return true;
        }

        /** Makes an initrd with /jre/lib/server/NAME, which is what the command leaves as /tmp/NAME. */
        private void make(Path directory, String name, String command, Cpio.Contents contents)
                throws Failure, IOException, InterruptedException {
            Path file = directory.resolve(name);
            Path log = work.resolve("archive.log");
            List<String> more = List.of(
                    "-device",
                    "virtio-serial-pci",
                    "-chardev",
                    "file,id=file,path=" + file.toString().replace(",", ",,"),
                    "-device",
                    "virtserialport,chardev=file");
            Options plain = Options.parse(List.of("--timeout", "1800", "demo"));
            int status;
            try (OutputStream out = Files.newOutputStream(log)) {
                status = new Guest(work, cache.resolve("logs"), Power::say)
                        .run(
                                lab.setup(Machine.PSERIES, more, plain),
                                "{ " + command + "; } >&2 && cat /tmp/" + name + " >/dev/vport0p1",
                                archive -> {
                                    archive.text("run/java-options", "");
                                    archive.text("run/serial", "");
                                    contents.addTo(archive);
                                },
                                new Guest.Outputs(out, out));
            }
            if (status != 0 || Files.size(file) == 0) {
                List<String> lines = Files.readAllLines(log, StandardCharsets.ISO_8859_1);
                throw new Failure("no archive of classes was made; the guest said: "
                        + String.join("\n", lines.subList(Math.max(0, lines.size() - 20), lines.size())));
            }
            Cpio.compress(directory.resolve("initrd"), archive -> archive.tree("jre/lib/server/" + name, file));
            Files.delete(file);
        }
    }

    /** What the command line asks to be done in the guest. */
    private final class Job {
        private final Lab lab;

        Job(Lab lab) {
            this.lab = lab;
        }

        int run() throws Failure, IOException, InterruptedException {
            Guest guest = new Guest(work, cache.resolve("logs"), Power::say);
            Guest.Setup setup = lab.setup(options.machine(), List.of(), options);
            if (options.command() == Options.Command.SHELL) {
                guest.shell(setup, this::addProject);
                return 0;
            }
            OutputStream out = new FileOutputStream(FileDescriptor.out);
            OutputStream err = new FileOutputStream(FileDescriptor.err);
            if (options.command() != Options.Command.TEST && options.command() != Options.Command.JUNIT) {
                return guest.run(setup, command(), this::addFiles, new Guest.Outputs(out, err));
            }
            TestCount count = new TestCount(out);
            int status = guest.run(setup, command(), this::addFiles, new Guest.Outputs(count, err));
            count.summary().ifPresent(System.out::println);
            return status;
        }

        private String command() throws Failure, IOException {
            List<String> arguments = new ArrayList<>(options.arguments());
            return switch (options.command()) {
                case DEMO -> "jvfio demo --kernel linux --device \"$EDU\" " + Commands.quote(arguments);
                case RUN -> Commands.quote(isProgram() ? javaCommand() : arguments);
                case DIFF ->
                    Commands.quote(new JUnit()
                            .differential(
                                    options.calls().isPresent()
                                            ? List.of("calls", "/jvfio/calls")
                                            : List.of(
                                                    "seeds",
                                                    Integer.toString(options.firstSeed()),
                                                    Integer.toString(options.seeds()),
                                                    Integer.toString(options.steps()))));
                case TEST -> {
                    tellEachTest(arguments);
                    if (options.parts() > 1) {
                        arguments.addAll(List.of("--include-classname", classesOfPart()));
                    }
                    arguments.addAll(0, List.of("--scan-classpath=/jvfio/test-classes", "--include-tag=contract"));
                    yield Commands.quote(
                            new JUnit().tests(List.of("/jvfio/test-classes", "/jvfio/jvfio.jar"), arguments));
                }
                case JUNIT -> {
                    tellEachTest(arguments);
                    List<String> scanned =
                            options.jars().stream().map(this::inGuest).toList();
                    arguments.addFirst("--scan-classpath=" + String.join(":", scanned));
                    yield Commands.quote(new JUnit().tests(classPath(), arguments));
                }
                default -> throw new IllegalStateException();
            };
        }

        /** Each test is reported as it starts and ends, so that a guest that hangs shows where. */
        private void tellEachTest(List<String> arguments) {
            if (arguments.stream().noneMatch(word -> word.startsWith("--details"))) {
                arguments.add("--details=testfeed");
            }
        }

        private boolean isProgram() {
            return !options.jars().isEmpty() || !options.classPath().isEmpty();
        }

        private List<String> classPath() {
            List<String> classPath = new ArrayList<>();
            Stream.concat(options.jars().stream(), options.classPath().stream()).forEach(path -> {
                classPath.add(inGuest(path));
                if (Files.isDirectory(path)) {
                    classPath.add(inGuest(path) + "/*");
                }
            });
            classPath.add("/jvfio/jvfio.jar");
            classPath.add("/jvfio/lib/*");
            return classPath;
        }

        private List<String> javaCommand() throws Failure, IOException {
            List<String> command = new ArrayList<>(List.of("java", "--enable-native-access=ALL-UNNAMED"));
            command.addAll(javaOptions());
            command.addAll(List.of("-cp", String.join(":", classPath())));
            if (!options.jars().isEmpty()) {
                Path jar = options.jars().getFirst();
                String mainClass = mainClass(jar);
                if (!mainClass.isEmpty()) {
                    command.add(mainClass);
                } else if (options.arguments().isEmpty()) {
                    throw Failure.misuse(jar + " names no Main-Class: give a class after --");
                }
            }
            command.addAll(options.arguments());
            return command;
        }

        private static String mainClass(Path jar) throws Failure {
            try (java.util.jar.JarFile file = new java.util.jar.JarFile(jar.toFile())) {
                java.util.jar.Manifest manifest = file.getManifest();
                String name = manifest == null
                        ? null
                        : manifest.getMainAttributes().getValue(java.util.jar.Attributes.Name.MAIN_CLASS);
                return name == null ? "" : name;
            } catch (IOException e) {
                throw Failure.misuse("--jar: '" + jar + "' is no jar: " + e.getMessage());
            }
        }

        /**
         * A pattern for the classes of tests that belong to this part. The names of all are in the same order
         * everywhere.
         */
        private String classesOfPart() throws IOException {
            Path classes = target().resolve("test-classes");
            List<String> names;
            try (Stream<Path> files = Files.walk(classes)) {
                names = files.map(file -> classes.relativize(file).toString())
                        .filter(name -> name.matches(".*Test\\.class"))
                        .map(name -> name.replace(".class", "").replace('/', '.'))
                        .sorted()
                        .toList();
            }
            List<String> part = new ArrayList<>();
            for (int i = options.part() - 1; i < names.size(); i += options.parts()) {
                part.add(names.get(i));
            }
            return "^(" + String.join("|", part) + ")$";
        }

        /** A path of this host's, in the guest: distinct even where two have the same name. */
        private String inGuest(Path path) {
            List<Path> all = new ArrayList<>(options.jars());
            all.addAll(options.classPath());
            return "/user/" + all.indexOf(path) + "/" + path.getFileName();
        }

        private void addProject(Cpio archive) throws IOException {
            archive.text("run/java-options", defaultJavaOptions() + "\n");
            archive.tree("jvfio/jvfio.jar", target().resolve("jvfio.jar"));
            archive.tree("jvfio/lib", target().resolve("lib"));
            for (Path path : options.with()) {
                archive.tree("root/" + path.getFileName(), path);
            }
        }

        private void addFiles(Cpio archive) throws IOException {
            addProject(archive);
            if (needsTests()) {
                new JUnit().addLibraries(archive);
            }
            if (options.command() == Options.Command.TEST || options.command() == Options.Command.DIFF) {
                archive.tree("jvfio/test-classes", target().resolve("test-classes"));
            }
            if (options.calls().isPresent()) {
                archive.tree("jvfio/calls", options.calls().get());
            }
            for (Path path : Stream.concat(options.jars().stream(), options.classPath().stream())
                    .distinct()
                    .toList()) {
                archive.tree(inGuest(path).substring(1), path);
            }
        }
    }
}
