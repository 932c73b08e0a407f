package power;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Fetching from archives that have faults, by this host's apt. */
class FetcherTest {
    private static final String OLD = "linux-image-6.12.1-powerpc64le-64k";
    private static final String NEW = "linux-image-6.12.2-powerpc64le-64k";

    @TempDir
    private Path directory = Path.of("");

    private final List<String> report = new ArrayList<>();
    private TestMirror mirror = new TestMirror(directory);
    private Path packages = directory;
    private Path apt = directory;

    @BeforeEach
    void makeMirror() throws IOException {
        assumeTrue(
                Commands.isOnPath("apt-get") && Files.exists(Path.of("/usr/lib/apt/apt-helper")),
                "this host has no apt");
        mirror = new TestMirror(Files.createDirectory(directory.resolve("mirror")));
        packages = Files.createDirectory(directory.resolve("packages"));
        apt = Files.createDirectory(directory.resolve("apt"));
    }

    @AfterEach
    void closeMirror() throws IOException {
        mirror.close();
    }

    private Optional<Fetcher.Fetched> fetch(Archive.Mirror from, Optional<String> kept)
            throws Failure, IOException, InterruptedException {
        Fetcher fetcher = new Fetcher(suites -> new Archive(apt, from, "ppc64el", suites), report::add);
        Fetcher.Wanted kernel = new Fetcher.Wanted(
                "the kernel",
                List.of(List.of("trixie"), List.of("stable")),
                List.of(List.of("backports")),
                "6.12",
                archive -> Parts.kernels(archive.packages(), 64));
        return fetcher.fetch(kernel, kept, packages);
    }

    private String fetched(Archive.Mirror from) throws Failure, IOException, InterruptedException {
        return fetch(from, Optional.empty())
                .map(one -> one.suite() + " " + one.choice().version())
                .orElse("what was kept");
    }

    private void assertFiles(String... names) throws IOException {
        try (Stream<Path> files = Files.list(packages)) {
            assertEquals(
                    List.of(names),
                    files.map(file -> String.valueOf(file.getFileName()))
                            .sorted()
                            .toList());
        }
    }

    private void assertReported(String... patterns) {
        assertEquals(patterns.length, report.size(), report::toString);
        for (int i = 0; i < patterns.length; i++) {
            assertTrue(report.get(i).matches(patterns[i]), report.get(i));
        }
    }

    @Test
    void fetch_wholeArchive_newestOfTheSuiteWithoutAWord() throws Failure, IOException, InterruptedException {
        mirror.add("trixie", OLD, "6.12.1-1");
        mirror.add("trixie", NEW, "6.12.2-1");
        assertEquals("trixie 6.12.2-1", fetched(mirror.files()));
        assertFiles(NEW + "_6.12.2-1_ppc64el.deb");
        assertReported();
    }

    @Test
    void fetch_fileMissingInThePool_otherNameOfTheSuite() throws Failure, IOException, InterruptedException {
        mirror.add("trixie", OLD, "6.12.1-1");
        mirror.delete(mirror.add("trixie", NEW, "6.12.2-1"));
        mirror.add("stable", OLD, "6.12.1-1");
        assertEquals("stable 6.12.1-1", fetched(mirror.files()));
        assertFiles(OLD + "_6.12.1-1_ppc64el.deb");
        assertReported("the kernel: trixie's 6\\.12\\.2-1: failed to fetch .*; trying stable");
    }

    @Test
    void fetch_newestMissingUnderBothNames_olderOneOfTheIndex() throws Failure, IOException, InterruptedException {
        mirror.add("trixie", OLD, "6.12.1-1");
        mirror.add("trixie", NEW, "6.12.2-1");
        mirror.delete(mirror.add("stable", NEW, "6.12.2-1"));
        assertEquals("trixie 6.12.1-1", fetched(mirror.files()));
        assertReported(
                "the kernel: trixie's 6\\.12\\.2-1: .*; trying stable",
                "the kernel: stable's 6\\.12\\.2-1: .*; trying trixie's 6\\.12\\.1-1");
    }

    @Test
    void fetch_indexThatItsHashDoesNotFit_otherNameOfTheSuite() throws Failure, IOException, InterruptedException {
        mirror.add("trixie", NEW, "6.12.2-1");
        mirror.changeIndex("trixie");
        mirror.add("stable", OLD, "6.12.1-1");
        assertEquals("stable 6.12.1-1", fetched(mirror.files()));
        assertReported("the kernel: trixie: its index cannot be read: .*(Hash|size).*; trying stable");
    }

    @Test
    void fetch_indexNoLongerFitsItsHash_theOneReadBefore() throws Failure, IOException, InterruptedException {
        mirror.add("trixie", NEW, "6.12.2-1");
        assertEquals("trixie 6.12.2-1", fetched(mirror.files()));
        Files.delete(packages.resolve(NEW + "_6.12.2-1_ppc64el.deb"));
        mirror.add("trixie", "linux-image-6.12.3-powerpc64le-64k", "6.12.3-1");
        mirror.changeIndex("trixie");
        assertEquals("trixie 6.12.2-1", fetched(mirror.files()));
        assertReported(
                "the kernel: trixie: its index cannot be read: .*; trying stable",
                "the kernel: stable: its index cannot be read: .*; trying trixie's 6\\.12\\.2-1");
    }

    @Test
    void fetch_suiteWithoutAReleaseFile_otherNameOfTheSuite() throws Failure, IOException, InterruptedException {
        assumeTrue(Commands.isOnPath("gpg"), "this host has no gpg");
        mirror.add("trixie", NEW, "6.12.2-1");
        mirror.add("stable", OLD, "6.12.1-1");
        Archive.Mirror signed = mirror.signedFiles("trixie", "stable");
        mirror.deleteRelease("trixie");
        assertEquals("stable 6.12.1-1", fetched(signed));
        assertReported("the kernel: trixie: its index cannot be read: .*Release.*; trying stable");
    }

    @Test
    void fetch_releaseThatItsSignatureDoesNotFit_otherNameOfTheSuite()
            throws Failure, IOException, InterruptedException {
        assumeTrue(Commands.isOnPath("gpg"), "this host has no gpg");
        mirror.add("trixie", OLD, "6.12.1-1");
        mirror.add("stable", OLD, "6.12.1-1");
        Archive.Mirror signed = mirror.signedFiles("trixie", "stable");
        mirror.changeRelease("trixie");
        assertEquals("stable 6.12.1-1", fetched(signed));
        assertReported("the kernel: trixie: its index cannot be read: .*; trying stable");
    }

    @Test
    void fetch_fileCutShort_otherNameOfTheSuite() throws Failure, IOException, InterruptedException {
        mirror.truncate(mirror.add("trixie", NEW, "6.12.2-1"));
        mirror.add("stable", OLD, "6.12.1-1");
        assertEquals("stable 6.12.1-1", fetched(mirror.files()));
        assertFiles(OLD + "_6.12.1-1_ppc64el.deb");
        assertReported("the kernel: trixie's 6\\.12\\.2-1: .*; trying stable");
    }

    @ParameterizedTest
    @EnumSource(names = {"STALLED", "CUT", "SLOW"})
    void fetch_serverStopsInTheMiddleOfAFile_otherNameOfTheSuite(TestMirror.Delivery delivery)
            throws Failure, IOException, InterruptedException {
        mirror.add("trixie", NEW, "6.12.2-1");
        mirror.add("stable", OLD, "6.12.1-1");
        assertEquals("stable 6.12.1-1", fetched(mirror.http(".*6\\.12\\.2.*\\.deb", delivery)));
        assertFiles(OLD + "_6.12.1-1_ppc64el.deb");
        assertReported("the kernel: trixie's 6\\.12\\.2-1: .*; trying stable");
    }

    @ParameterizedTest
    @EnumSource(names = {"STALLED", "CUT"})
    void fetch_serverStopsInTheMiddleOfAnIndex_otherNameOfTheSuite(TestMirror.Delivery delivery)
            throws Failure, IOException, InterruptedException {
        mirror.add("trixie", NEW, "6.12.2-1");
        mirror.add("stable", OLD, "6.12.1-1");
        assertEquals("stable 6.12.1-1", fetched(mirror.http("dists/trixie/.*Packages", delivery)));
        assertReported("the kernel: trixie: its index cannot be read: .*; trying stable");
    }

    @Test
    void fetch_nothingUnderItsNamesButSomethingKept_kept() throws Failure, IOException, InterruptedException {
        mirror.delete(mirror.add("trixie", NEW, "6.12.2-1"));
        mirror.add("backports", OLD, "6.12.1-1");
        assertEquals(Optional.empty(), fetch(mirror.files(), Optional.of("linux 6.12.0-1")));
        assertReported(
                "the kernel: trixie's 6\\.12\\.2-1: .*; trying stable",
                "the kernel: stable: its index cannot be read: .*; trying linux 6\\.12\\.0-1, which is in the cache");
    }

    @Test
    void fetch_nothingUnderItsNames_sameSeriesOfAnotherSuite() throws Failure, IOException, InterruptedException {
        mirror.delete(mirror.add("trixie", NEW, "6.12.2-1"));
        mirror.add("backports", "linux-image-7.2.1-powerpc64le-64k", "7.2.1-1");
        mirror.add("backports", OLD, "6.12.1-1~bpo");
        assertEquals("backports 6.12.1-1~bpo", fetched(mirror.files()));
        assertReported("the kernel: trixie's .*; trying stable", "the kernel: stable: .*; trying backports");
    }

    @Test
    void fetch_noIndexCanBeRead_seriesThatTheSuiteIsKnownFor() throws Failure, IOException, InterruptedException {
        mirror.add("backports", "linux-image-7.2.1-powerpc64le-64k", "7.2.1-1");
        mirror.add("backports", OLD, "6.12.1-1~bpo");
        assertEquals("backports 6.12.1-1~bpo", fetched(mirror.files()));
    }

    @Test
    void fetch_nothingLeft_oneLineThatNamesAllThatWasTried() throws IOException {
        mirror.add("trixie", OLD, "6.12.1-1");
        mirror.delete(mirror.add("trixie", NEW, "6.12.2-1"));
        mirror.delete("pool/" + OLD + "_6.12.1-1_ppc64el.deb");
        mirror.add("stable", "something-else", "1");
        mirror.add("backports", "linux-image-7.2.1-powerpc64le-64k", "7.2.1-1");
        Failure failure = assertThrows(Failure.class, () -> fetch(mirror.files(), Optional.empty()));
        assertTrue(
                failure.text()
                        .matches("cannot fetch the kernel, tried trixie's 6\\.12\\.2-1: [^;]*; stable: it has none; "
                                + "trixie's 6\\.12\\.1-1: [^;]*; backports: it has none of 6\\.12"),
                failure.text());
        assertEquals(1, failure.status());
        assertEquals(3, report.size(), report::toString);
    }
}
