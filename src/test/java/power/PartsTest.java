package power;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the cache keeps of packages, fetched by this host's apt and unpacked by its dpkg. */
class PartsTest {
    private static final String OLD = "linux-image-6.12.1-powerpc64le-64k";
    private static final String NEW = "linux-image-6.12.2-powerpc64le-64k";

    @TempDir
    private Path directory = Path.of("");

    private final List<String> report = new ArrayList<>();
    private TestMirror mirror = new TestMirror(directory);
    private int fetchers;

    @BeforeEach
    void makeMirror() throws IOException {
        assumeTrue(
                Commands.isOnPath("apt-get") && Commands.isOnPath("dpkg-deb") && Commands.isOnPath("xz"),
                "this host has no apt, dpkg or xz");
        mirror = new TestMirror(Files.createDirectory(directory.resolve("mirror")));
    }

    /** A package with a kernel whose text is its version, and a module of it. */
    private String addKernel(String suite, String name, String version) throws IOException, InterruptedException {
        Path content = directory.resolve("content-" + name);
        Cache.delete(content);
        Path vfio = Files.createDirectories(content.resolve("lib/modules/1/kernel/drivers/vfio/pci"));
        Files.createDirectories(content.resolve("boot"));
        Files.createDirectories(content.resolve("DEBIAN"));
        Files.writeString(
                content.resolve("DEBIAN/control"),
                "Package: " + name + "\nVersion: " + version
                        + "\nArchitecture: ppc64el\nMaintainer: nobody\nDescription: test\n");
        Files.writeString(content.resolve("boot/vmlinux-" + version), version);
        Files.writeString(vfio.resolve("vfio-pci.ko"), "module");
        Files.writeString(vfio.resolve("../other.ko"), "module");
        run("xz", vfio.resolve("vfio-pci.ko").toString());
        Path file = directory.resolve(name + ".deb");
        run("dpkg-deb", "--root-owner-group", "-Znone", "--build", content.toString(), file.toString());
        return mirror.add(suite, name, version, Files.readAllBytes(file));
    }

    private void run(String... command) throws IOException, InterruptedException {
        Commands.Ended ended = Commands.run(directory, Duration.ofMinutes(1), List.of(command));
        assertEquals(0, ended.status(), ended.output());
    }

    private Path kernel(boolean isRenewed) throws Failure, IOException, InterruptedException {
        Fetcher fetcher = new Fetcher(
                suites -> {
                    fetchers++;
                    return new Archive(directory.resolve("apt"), mirror.files(), "ppc64el", suites);
                },
                report::add);
        try (Cache cache = new Cache(directory.resolve("cache"), report::add)) {
            return new Parts(cache, fetcher, fetcher, isRenewed, report::add).kernel(Suite.TRIXIE, 64);
        }
    }

    private static String version(Path kernel) throws IOException {
        return Files.readString(kernel.resolve("vmlinux"));
    }

    @Test
    void kernel_emptyCache_unpackedWithItsModules() throws Failure, IOException, InterruptedException {
        addKernel("trixie", NEW, "6.12.2-1");
        Path kernel = kernel(false);
        assertEquals("6.12.2-1", version(kernel));
        assertEquals("module", Files.readString(kernel.resolve("modules/vfio-pci.ko")));
        assertTrue(Files.exists(kernel.resolve("modules/other.ko")));
        assertFalse(Files.exists(kernel.resolve("all")));
        assertEquals(NEW + " 6.12.2-1 trixie", Parts.Versions.of(kernel).toString());
    }

    @Test
    void kernel_fullCache_noArchiveIsAsked() throws Failure, IOException, InterruptedException {
        addKernel("trixie", OLD, "6.12.1-1");
        kernel(false);
        fetchers = 0;
        report.clear();
        addKernel("trixie", NEW, "6.12.2-1");
        assertEquals("6.12.1-1", version(kernel(false)));
        assertEquals(0, fetchers);
        assertEquals(List.of(), report);
    }

    @Test
    void kernel_renewed_newestTakesThePlaceOfTheOld() throws Failure, IOException, InterruptedException {
        addKernel("trixie", OLD, "6.12.1-1");
        kernel(false);
        addKernel("trixie", NEW, "6.12.2-1");
        assertEquals("6.12.2-1", version(kernel(true)));
    }

    @Test
    void kernel_renewedFromAnArchiveWithoutIt_oldOneStays() throws Failure, IOException, InterruptedException {
        mirror.delete(addKernel("trixie", NEW, "6.12.2-1"));
        addKernel("stable", OLD, "6.12.1-1");
        kernel(false);
        mirror.delete("pool/" + OLD + "_6.12.1-1_ppc64el.deb");
        assertEquals("6.12.1-1", version(kernel(true)));
        assertTrue(
                report.getLast()
                        .matches("the kernel of trixie with 64K pages: stable's 6\\.12\\.1-1: .*; trying " + OLD
                                + " 6\\.12\\.1-1 stable, which is in the cache"),
                report::toString);
    }

    @Test
    void kernel_nothingToFetch_failureAndNothingHalfMadeIsKept() throws Failure, IOException, InterruptedException {
        mirror.delete(addKernel("trixie", NEW, "6.12.2-1"));
        assertThrows(Failure.class, () -> kernel(false));
        assertFalse(Files.exists(directory.resolve("cache/kernel-trixie-64k")));
        assertFalse(Files.exists(directory.resolve("cache/kernel-trixie-64k.new")));
        addKernel("trixie", OLD, "6.12.1-1");
        assertEquals("6.12.1-1", version(kernel(false)));
    }

    @Test
    void kernel_packageThatCannotBeUnpacked_failure() throws IOException {
        mirror.add("trixie", NEW, "6.12.2-1");
        Failure failure = assertThrows(Failure.class, () -> kernel(false));
        assertTrue(failure.text().startsWith(NEW + "_6.12.2-1_ppc64el.deb cannot be unpacked: "), failure.text());
    }
}
