package power;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** What the command line asks for. It is complete and valid once {@link #parse} has returned it. */
final class Options {
    /** What can be done with a machine. */
    enum Command {
        DEMO,
        TEST,
        JUNIT,
        DIFF,
        RUN,
        SHELL,
        VERSIONS,
        JMODS;

        static String names() {
            List<String> names = Arrays.stream(values()).map(Command::toString).toList();
            return String.join(", ", names.subList(0, names.size() - 1)) + " or " + names.getLast();
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT);
        }
    }

    /** Takes an option's value. */
    @FunctionalInterface
    private interface Setter {
        void set(String option, String value) throws Failure;
    }

    private static final int MAX_NUMBER = 7;
    private static final int MAX_NAMESPACES = 16;

    private Command command = Command.DEMO;
    private boolean hasCommand;
    private boolean isHelp;
    private List<String> arguments = List.of();
    private Machine machine = Machine.POWERNV8;
    private int pageKib = 64;
    private Suite suite = Suite.TRIXIE;
    private Optional<String> qemu = Optional.empty();
    private int java = 25;
    private boolean isClockCounting = true;
    private boolean isClockChosen;
    private boolean hasC2;
    private int timeout = 1200;
    private String append = "";
    private int part = 1;
    private int parts = 1;
    private int seeds = 20;
    private int firstSeed = 1;
    private int steps = 100;
    private Optional<Path> calls = Optional.empty();
    private Optional<Path> disk = Optional.empty();
    private boolean hasNullDisk;
    private String nvme = "";
    private boolean isNvmeDiff;
    private final List<String> namespaces = new ArrayList<>();
    private final List<String> devices = new ArrayList<>();
    private final List<Path> with = new ArrayList<>();
    private final List<Path> jars = new ArrayList<>();
    private final List<Path> classPath = new ArrayList<>();
    private Optional<Path> kernelLog = Optional.empty();
    private Optional<Path> qemuLog = Optional.empty();
    private boolean isUpdate;
    private Optional<String> mirror = Optional.empty();

    private final Map<String, Setter> setters = new LinkedHashMap<>();

    private Options() {
        setters.put("--machine", (option, value) -> machine = Machine.of(oneOf(option, value, Machine.names())));
        setters.put(
                "--pages",
                (option, value) ->
                        pageKib = oneOf(option, value, List.of("64k", "4k")).equals("4k") ? 4 : 64);
        setters.put("--suite", (option, value) -> suite = Suite.of(oneOf(option, value, Suite.all())));
        setters.put(
                "--qemu",
                (option, value) -> qemu = Optional.of(oneOf(option, value, List.of("host", "trixie", "sid"))));
        setters.put(
                "--java", (option, value) -> java = Integer.parseInt(oneOf(option, value, List.of("25", "26", "27"))));
        setters.put("--clock", (option, value) -> {
            isClockCounting = oneOf(option, value, List.of("counting", "real")).equals("counting");
            isClockChosen = true;
        });
        setters.put(
                "--jit",
                (option, value) ->
                        hasC2 = oneOf(option, value, List.of("c1", "c2")).equals("c2"));
        setters.put("--timeout", (option, value) -> {
            if (!value.matches("[1-9][0-9]{0,6}")) {
                throw Failure.misuse(option + " is a number of seconds from 1 to 9999999; not '" + value + "'");
            }
            timeout = Integer.parseInt(value);
        });
        setters.put("--append", (option, value) -> append = value);
        setters.put("--part", (option, value) -> {
            if (!value.matches("[1-9]/[1-9]") || value.charAt(0) > value.charAt(2)) {
                throw Failure.misuse(option + " is one of some, like 1/2; not '" + value + "'");
            }
            part = value.charAt(0) - '0';
            parts = value.charAt(2) - '0';
        });
        setters.put("--seeds", (option, value) -> seeds = number(option, value));
        setters.put("--first-seed", (option, value) -> firstSeed = number(option, value));
        setters.put("--steps", (option, value) -> steps = number(option, value));
        setters.put("--calls", (option, value) -> {
            Path file = Path.of(value).toAbsolutePath();
            if (!Files.isReadable(file) || Files.isDirectory(file)) {
                throw Failure.misuse(option + ": there is no file '" + value + "' that can be read");
            }
            calls = Optional.of(file);
        });
        setters.put("--disk", (option, value) -> disk = Optional.of(writable(value)));
        setters.put("--nvme", (option, value) -> {
            nvme = properties(option, value);
        });
        setters.put("--namespace", (option, value) -> namespaces.add(namespace(option, value)));
        setters.put("--device", (option, value) -> {
            if (!value.matches("[A-Za-z0-9_-][A-Za-z0-9_.-]*(,[a-zA-Z0-9_.-]+=[^,]*)*")) {
                throw Failure.misuse(option + " is MODEL, or MODEL,NAME=VALUE,...; not '" + value + "'");
            }
            devices.add(value);
        });
        setters.put("--with", (option, value) -> with.add(existing(option, value)));
        setters.put("--jar", (option, value) -> jars.add(existing(option, value)));
        setters.put("--class-path", (option, value) -> {
            for (String entry : value.split(":", -1)) {
                classPath.add(existing(option, entry));
            }
        });
        setters.put("--kernel-log", (option, value) -> kernelLog = Optional.of(writable(value)));
        setters.put("--qemu-log", (option, value) -> qemuLog = Optional.of(writable(value)));
        setters.put("--mirror", (option, value) -> {
            if (!value.matches("(https?|ftp|file):/\\S+")) {
                throw Failure.misuse(option + " is a URL; not '" + value + "'");
            }
            mirror = Optional.of(value.replaceFirst("/$", ""));
        });
    }

    static Options parse(List<String> words) throws Failure {
        Options options = new Options();
        options.read(words);
        if (!options.isHelp) {
            options.check();
        }
        return options;
    }

    /** All options. */
    static List<String> names() {
        List<String> names = new ArrayList<>(new Options().setters.keySet());
        names.addAll(List.of("--null-disk", "--update", "--help"));
        return names;
    }

    private void read(List<String> words) throws Failure {
        for (int i = 0; i < words.size() && !isHelp; i++) {
            String word = words.get(i);
            int equals = word.indexOf('=');
            Setter setter = setters.get(word);
            if (word.equals("--nvme")
                    && (i + 1 == words.size() || words.get(i + 1).startsWith("-"))) {
                isNvmeDiff = true;
            } else if (setter != null) {
                if (++i == words.size()) {
                    throw Failure.misuse(word + " needs a value");
                }
                setter.set(word, words.get(i));
            } else if (equals > 0 && setters.containsKey(word.substring(0, equals))) {
                setters.getOrDefault(word.substring(0, equals), (option, value) -> {})
                        .set(word.substring(0, equals), word.substring(equals + 1));
            } else if (word.equals("--null-disk")) {
                hasNullDisk = true;
            } else if (word.equals("--update")) {
                isUpdate = true;
            } else if (word.equals("--help") || word.equals("-h")) {
                isHelp = true;
            } else if (word.equals("--")) {
                if (!hasCommand) {
                    throw Failure.misuse("say what to do before --: demo, test, junit or run");
                }
                arguments = List.copyOf(words.subList(i + 1, words.size()));
                return;
            } else {
                command(word);
            }
        }
    }

    private void command(String word) throws Failure {
        if (word.startsWith("-")) {
            throw Failure.misuse("unknown option '" + word + "'");
        }
        Optional<Command> known = Arrays.stream(Command.values())
                .filter(one -> one.toString().equals(word))
                .findFirst();
        if (known.isPresent() && hasCommand) {
            throw Failure.misuse("'" + command + "' and '" + word + "': one at a time, and arguments after --");
        }
        if (known.isEmpty() && hasCommand) {
            throw Failure.misuse("'" + word + "': arguments of " + command + " come after --");
        }
        command = known.orElseThrow(() -> Failure.misuse("unknown command '" + word + "': " + Command.names()));
        hasCommand = true;
    }

    private void check() throws Failure {
        if (!hasCommand) {
            throw Failure.misuse("say what to do: " + Command.names());
        }
        boolean hasArguments = !arguments.isEmpty();
        switch (command) {
            case RUN -> {
                if (!hasArguments && jars.isEmpty()) {
                    throw Failure.misuse(
                            classPath.isEmpty()
                                    ? "run needs a command after --"
                                    : "run --class-path needs a main class after --");
                }
                if (jars.size() > 1) {
                    throw Failure.misuse("run takes one --jar; the others belong to --class-path");
                }
            }
            case JUNIT -> {
                if (jars.isEmpty()) {
                    throw Failure.misuse("junit needs --jar, a jar or folder with tests");
                }
            }
            case DIFF, SHELL, VERSIONS, JMODS -> {
                if (hasArguments) {
                    throw Failure.misuse(command + " takes options only; not " + String.join(" ", arguments));
                }
            }
            default -> {}
        }
        if (command != Command.RUN && command != Command.JUNIT && !(jars.isEmpty() && classPath.isEmpty())) {
            throw Failure.misuse("--jar and --class-path are for run and junit; not for " + command);
        }
        if (isNvmeDiff && command != Command.DIFF) {
            throw Failure.misuse("--nvme without properties is for diff; not for " + command);
        }
        if (!namespaces.isEmpty() && (disk.isPresent() || namespaces.size() > MAX_NAMESPACES)) {
            throw Failure.misuse(
                    "--namespace is for up to %d namespaces, and not beside --disk".formatted(MAX_NAMESPACES));
        }
        if (hasNullDisk && (disk.isPresent() || !namespaces.isEmpty())) {
            throw Failure.misuse("--null-disk leaves the drive without an image: not beside --disk or --namespace");
        }
        if (machine == Machine.POWERNV11) {
            if (qemu.isPresent() && qemu.get().equals("trixie")) {
                throw Failure.misuse("powernv11 needs QEMU 11.1 or newer: --qemu sid");
            }
            qemu = qemu.or(() -> Optional.of("sid"));
        }
        if (suite == Suite.BOOKWORM && pageKib == 4) {
            throw Failure.misuse("bookworm's kernel has 64K pages only");
        }
    }

    /** QEMU ends with an error where the zones are larger than the namespace, and its own size of one is. */
    private static String namespace(String option, String value) throws Failure {
        List<String> properties = List.of(properties(option, value).split(",", 0));
        boolean isZoned = properties.contains("zoned=on") || properties.contains("zoned=true");
        if (isZoned && properties.stream().noneMatch(each -> each.startsWith("zoned.zone_size="))) {
            throw Failure.misuse(
                    option + " with zoned=on needs the size of a zone, zoned.zone_size=16M; not '" + value + "'");
        }
        return value;
    }

    private static String properties(String option, String value) throws Failure {
        if (!value.matches("[a-z0-9_.-]+=[^,]+(,[a-z0-9_.-]+=[^,]+)*")) {
            throw Failure.misuse(option + " is NAME=VALUE, or more with commas between; not '" + value + "'");
        }
        return value;
    }

    private static String oneOf(String option, String value, List<String> allowed) throws Failure {
        if (!allowed.contains(value)) {
            throw Failure.misuse(option + " is one of: " + String.join(" ", allowed) + "; not '" + value + "'");
        }
        return value;
    }

    private static int number(String option, String value) throws Failure {
        if (!value.matches("0|[1-9][0-9]*") || value.length() > MAX_NUMBER) {
            throw Failure.misuse(option + " is a number from 0 to 9999999; not '" + value + "'");
        }
        return Integer.parseInt(value);
    }

    private static Path existing(String option, String value) throws Failure {
        Path path = Path.of(value).toAbsolutePath().normalize();
        if (value.isEmpty() || !Files.isReadable(path)) {
            throw Failure.misuse(option + ": there is no file or folder '" + value + "' that can be read");
        }
        return path;
    }

    private static Path writable(String value) throws Failure {
        Path file = Path.of(value).toAbsolutePath();
        Path parent = file.getParent();
        if (value.isEmpty() || Files.isDirectory(file) || parent == null || !Files.isDirectory(parent)) {
            throw Failure.misuse("'" + value + "' is no file in an existing directory");
        }
        return file;
    }

    boolean isHelp() {
        return isHelp;
    }

    Command command() {
        return command;
    }

    List<String> arguments() {
        return arguments;
    }

    Machine machine() {
        return machine;
    }

    int pageKib() {
        return pageKib;
    }

    Suite suite() {
        return suite;
    }

    /** Where QEMU is from: host, trixie or sid; empty if any will do. */
    Optional<String> qemu() {
        return qemu;
    }

    int java() {
        return java;
    }

    /** A shell that waits for its user is given the real clock, on which time passes meanwhile. */
    boolean isClockCounting() {
        return isClockCounting && (isClockChosen || command != Command.SHELL);
    }

    /** Whether the JVM in the guest compiles with C2, too. */
    boolean hasC2() {
        return hasC2;
    }

    int timeout() {
        return timeout;
    }

    String append() {
        return append;
    }

    int part() {
        return part;
    }

    int parts() {
        return parts;
    }

    int seeds() {
        return seeds;
    }

    int firstSeed() {
        return firstSeed;
    }

    int steps() {
        return steps;
    }

    Optional<Path> calls() {
        return calls;
    }

    Optional<Path> disk() {
        return disk;
    }

    /** Whether the NVMe drive has no image. */
    boolean hasNullDisk() {
        return hasNullDisk;
    }

    String nvme() {
        return nvme;
    }

    /** Whether diff compares NVMe commands. */
    boolean isNvmeDiff() {
        return isNvmeDiff;
    }

    /** The properties of the drive's namespaces; none for a single one of 512 MiB. */
    List<String> namespaces() {
        return namespaces;
    }

    List<String> devices() {
        return devices;
    }

    List<Path> with() {
        return with;
    }

    List<Path> jars() {
        return jars;
    }

    List<Path> classPath() {
        return classPath;
    }

    Optional<Path> kernelLog() {
        return kernelLog;
    }

    Optional<Path> qemuLog() {
        return qemuLog;
    }

    boolean isUpdate() {
        return isUpdate;
    }

    Optional<String> mirror() {
        return mirror;
    }
}
