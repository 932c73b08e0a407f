package power;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** What comes from Debian's archive, unpacked in the cache: kernels, Java, QEMU. */
final class Parts {
    /**
     * What a directory with packages' contents has in its file {@code versions}: a line NAME VERSION SUITE for each.
     */
    record Versions(List<String> lines) {
        static Versions of(Path directory) throws IOException {
            return new Versions(Files.readAllLines(directory.resolve(VERSIONS)));
        }

        /** The version of the first package whose name matches; empty if there is none. */
        String version(String pattern) {
            return lines.stream()
                    .map(line -> line.split(" ", -1))
                    .filter(words -> words[0].matches(pattern))
                    .map(words -> words[1])
                    .findFirst()
                    .orElse("");
        }

        String suite() {
            return lines.getFirst().split(" ", -1)[2];
        }

        @Override
        public String toString() {
            return String.join("\n", lines);
        }
    }

    /** Is to be raised when what is unpacked, or how, changes. */
    private static final String LAYOUT = "1";

    private static final String VERSIONS = "versions";
    private static final Duration UNPACKING = Duration.ofMinutes(10);
    private static final Pattern IMAGE = Pattern.compile("linux-image-\\d.*?-powerpc64le(-64k)?");
    private static final String LIBRARIES = "usr/lib/powerpc64le-linux-gnu";

    private static final List<String> JRE_PACKAGES =
            List.of("libc6", "libc-bin", "zlib1g", "libstdc++6", "libgcc-s1", "busybox-static");

    private final Cache cache;
    private final Fetcher guestPackages;
    private final Fetcher hostPackages;
    private final boolean isRenewed;
    private final Consumer<String> report;

    /**
     * Parts of this cache.
     *
     * @param guestPackages packages for ppc64el
     * @param hostPackages packages for this host
     * @param isRenewed whether what the cache has is fetched again
     */
    Parts(Cache cache, Fetcher guestPackages, Fetcher hostPackages, boolean isRenewed, Consumer<String> report) {
        this.cache = cache;
        this.guestPackages = guestPackages;
        this.hostPackages = hostPackages;
        this.isRenewed = isRenewed;
        this.report = report;
    }

    /** A directory with vmlinux and, in modules, VFIO's modules and those of the NVMe driver. */
    Path kernel(Suite suite, int pageKib) throws Failure, IOException, InterruptedException {
        String what = "the kernel of " + suite + " with " + pageKib + "K pages";
        Fetcher.Wanted wanted = new Fetcher.Wanted(
                what, suite.names(), suite.others(), suite.series(), archive -> kernels(archive.packages(), pageKib));
        return part("kernel-" + suite + "-" + pageKib + "k", guestPackages, wanted, (all, directory) -> {
            move(all, "boot/vmlinu.*|usr/lib/modules/[^/]*/vmlinuz", file -> directory.resolve("vmlinux"));
            Path modules = Files.createDirectory(directory.resolve("modules"));
            move(
                    all,
                    ".*/(drivers/vfio/.*|nvme|nvme-core|nvme-auth|nvme-keyring)\\.ko(\\..*)?",
                    file -> modules.resolve(String.valueOf(file.getFileName())));
            expand(modules);
        });
    }

    /** The kernels of an index with pages of this size, newest first. */
    static List<Fetcher.Choice> kernels(List<DebianPackage> index, int pageKib) {
        Map<String, DebianPackage> names = index.stream()
                .collect(Collectors.toMap(
                        DebianPackage::name,
                        one -> one,
                        (one, other) -> one.version().compareTo(other.version()) > 0 ? one : other));
        List<Fetcher.Choice> choices = new ArrayList<>();
        index.stream()
                .filter(one -> IMAGE.matcher(one.name()).matches() && pageKib(one) == pageKib)
                .sorted(Comparator.comparing(DebianPackage::version).reversed())
                .forEach(image -> {
                    // The kernel is in the image itself up to Linux 6.12, later in packages that this one depends on.
                    List<String> parts = image.dependencies().stream()
                            .filter(name -> name.matches("linux-(binary|modules)-\\d.*"))
                            .toList();
                    List<DebianPackage> packages = parts.isEmpty()
                            ? List.of(image)
                            : parts.stream()
                                    .flatMap(name -> Stream.ofNullable(names.get(name)))
                                    .toList();
                    if (packages.size() == Math.max(1, parts.size())) {
                        choices.add(new Fetcher.Choice(image.version().text(), packages));
                    }
                });
        return choices;
    }

    /** Debian's only kernel for ppc64el had 64K pages before there were two. */
    private static int pageKib(DebianPackage image) {
        return image.description().matches(".* with 4k pages.*") ? 4 : 64;
    }

    private static Fetcher.Wanted openJdk(int release, String what, List<String> packages) {
        List<List<String>> names = release == 25
                ? List.of(List.of("trixie"), List.of("stable"))
                : List.of(List.of("sid"), List.of("unstable"));
        List<List<String>> others = release == 25
                ? List.of(List.of("sid"), List.of("unstable"), List.of("testing"))
                : List.of(List.of("testing"));
        return new Fetcher.Wanted(what, names, others, "", archive -> sets(archive.packages(), packages));
    }

    /** A directory with jmods, the modules of the JDK 25 for ppc64el, as jlink takes them. */
    Path jmods() throws Failure, IOException, InterruptedException {
        Fetcher.Wanted wanted =
                openJdk(25, "the modules of OpenJDK 25 for ppc64el", List.of("openjdk-25-jdk-headless"));
        return part(
                "jmods-25",
                guestPackages,
                wanted,
                (all, directory) -> Files.move(
                        all.resolve("usr/lib/jvm/java-25-openjdk-ppc64el/jmods"), directory.resolve("jmods")));
    }

    /** A directory with root, a root directory with a JRE and busybox, all of the release that this JRE is in. */
    Path java(int release) throws Failure, IOException, InterruptedException {
        List<String> packages = Stream.concat(Stream.of("openjdk-" + release + "-jre-headless"), JRE_PACKAGES.stream())
                .toList();
        Fetcher.Wanted wanted = openJdk(release, "OpenJDK " + release + " for ppc64el", packages);
        return part("java-" + release, guestPackages, wanted, (all, directory) -> {
            Path root = directory.resolve("root");
            for (String name : List.of("bin", "dev", "etc", "lib64", "proc", "root", "run", "sys", "tmp")) {
                Files.createDirectories(root.resolve(name));
            }
            Path busybox = Files.exists(all.resolve("usr/bin/busybox"))
                    ? all.resolve("usr/bin/busybox")
                    : all.resolve("bin/busybox");
            Files.move(busybox, root.resolve("bin/busybox"));
            Files.createDirectories(root.resolve(LIBRARIES));
            move(
                    all,
                    "(usr/)?lib/powerpc64le-linux-gnu/(lib(c|m|dl|pthread|rt|z|gcc_s|stdc\\+\\+)\\.so.*|ld64\\.so\\.2)",
                    file -> root.resolve(LIBRARIES).resolve(String.valueOf(file.getFileName())));
            Files.createSymbolicLink(root.resolve("lib64/ld64.so.2"), Path.of("/" + LIBRARIES + "/ld64.so.2"));
            Files.createDirectories(root.resolve("usr/lib/locale"));
            Files.move(all.resolve("usr/lib/locale/C.utf8"), root.resolve("usr/lib/locale/C.utf8"));
            Files.move(
                    all.resolve("etc/java-" + release + "-openjdk"), root.resolve("etc/java-" + release + "-openjdk"));
            Path jre = root.resolve("jre");
            Files.move(all.resolve("usr/lib/jvm/java-" + release + "-openjdk-ppc64el"), jre);
            // An initrd may have 128 MiB: leave out what draws, plays, debugs and documents.
            for (String name : List.of("docs", "legal", "man", "lib/jrt-fs.jar")) {
                Cache.delete(jre.resolve(name));
            }
            for (Path file : files(
                    jre,
                    "lib/(server/classes.*\\.jsa|lib(awt|awt_headless|mlib_image|fontmanager|jsound|javajpeg|lcms|saproc|jdwp|dt_socket)\\.so)")) {
                Files.delete(file);
            }
        });
    }

    /** The newest of each package; then, where an index has older ones, the next. */
    private static List<Fetcher.Choice> sets(List<DebianPackage> index, List<String> names) {
        List<List<DebianPackage>> versions = names.stream()
                .map(name -> index.stream()
                        .filter(one -> one.name().equals(name))
                        .sorted(Comparator.comparing(DebianPackage::version).reversed())
                        .toList())
                .toList();
        List<Fetcher.Choice> choices = new ArrayList<>();
        if (versions.stream().noneMatch(List::isEmpty)) {
            int depth = versions.stream().mapToInt(List::size).max().orElse(0);
            for (int i = 0; i < depth; i++) {
                int age = i;
                List<DebianPackage> set = versions.stream()
                        .map(all -> all.get(Math.min(age, all.size() - 1)))
                        .toList();
                choices.add(new Fetcher.Choice(set.getFirst().version().text(), set));
            }
        }
        return choices;
    }

    /** A directory with QEMU and all its libraries, for any host of this architecture. */
    Path qemu(String suite) throws Failure, IOException, InterruptedException {
        boolean isSid = suite.equals("sid");
        Fetcher.Wanted wanted = new Fetcher.Wanted(
                "QEMU of " + suite,
                isSid ? List.of(List.of("sid"), List.of("unstable")) : List.of(List.of("trixie"), List.of("stable")),
                isSid
                        ? List.of(List.of("testing"))
                        : List.of(List.of("bookworm-backports", "bookworm"), List.of("sid"), List.of("unstable")),
                isSid ? "11." : "",
                archive -> {
                    List<DebianPackage> closure = archive.closure("qemu-system-ppc");
                    String version = closure.stream()
                            .filter(one -> one.name().equals("qemu-system-ppc"))
                            .findFirst()
                            .map(one -> one.version().text())
                            .orElse("");
                    return version.isEmpty() ? List.of() : List.of(new Fetcher.Choice(version, closure));
                });
        return part("qemu-" + suite, hostPackages, wanted, (all, directory) -> {
            Files.move(all, directory.resolve("root"));
        });
    }

    /** Moves what is of use out of the packages' contents. */
    @FunctionalInterface
    private interface Selection {
        void select(Path all, Path directory) throws Failure, IOException, InterruptedException;
    }

    private Path part(String name, Fetcher fetcher, Fetcher.Wanted wanted, Selection selection)
            throws Failure, IOException, InterruptedException {
        return cache.keep(name, LAYOUT, isRenewed, (directory, old) -> {
            report.accept("fetching " + wanted.what() + " ...");
            Path packages = Files.createDirectory(directory.resolve("packages"));
            Optional<String> kept = old.isPresent()
                    ? Optional.of(
                            Files.readAllLines(old.get().resolve(VERSIONS)).getFirst())
                    : Optional.empty();
            Optional<Fetcher.Fetched> fetched = fetcher.fetch(wanted, kept, packages);
            if (fetched.isEmpty()) {
                return false;
            }
            Files.write(
                    directory.resolve(VERSIONS),
                    fetched.get().choice().packages().stream()
                            .map(one -> one.name() + " " + one.version().text() + " "
                                    + fetched.get().suite())
                            .toList());
            Path all = Files.createDirectory(directory.resolve("all"));
            for (Path file : files(packages, ".*\\.deb")) {
                Commands.Ended ended =
                        Commands.run(all, UNPACKING, List.of("dpkg-deb", "--extract", file.toString(), all.toString()));
                if (ended.status() != 0) {
                    throw new Failure(file.getFileName() + " cannot be unpacked: "
                            + ended.output().strip());
                }
            }
            Cache.delete(packages);
            selection.select(all, directory);
            Cache.delete(all);
            return true;
        });
    }

    private static void move(Path all, String pattern, java.util.function.UnaryOperator<Path> target)
            throws IOException {
        for (Path file : files(all, pattern)) {
            Files.move(file, target.apply(file), StandardCopyOption.REPLACE_EXISTING);
        }
    }

    private static List<Path> files(Path tree, String pattern) throws IOException {
        Predicate<Path> matches = file -> tree.relativize(file).toString().matches(pattern);
        Predicate<Path> isFile = file -> !Files.isDirectory(file, LinkOption.NOFOLLOW_LINKS);
        try (Stream<Path> files = Files.walk(tree)) {
            return files.filter(isFile.and(matches)).sorted().toList();
        }
    }

    private static void expand(Path modules) throws Failure, IOException, InterruptedException {
        Map<String, List<String>> tools = new TreeMap<>();
        tools.put(".xz", List.of("xz", "--decompress"));
        tools.put(".zst", List.of("zstd", "--quiet", "--decompress", "--rm"));
        for (Map.Entry<String, List<String>> tool : tools.entrySet()) {
            List<String> command = new ArrayList<>(tool.getValue());
            files(modules, ".*\\" + tool.getKey()).forEach(file -> command.add(file.toString()));
            if (command.size() > tool.getValue().size()) {
                Commands.Ended ended = Commands.run(modules, UNPACKING, command);
                if (ended.status() != 0) {
                    throw new Failure(
                            "a module cannot be unpacked: " + ended.output().strip());
                }
            }
        }
    }
}
