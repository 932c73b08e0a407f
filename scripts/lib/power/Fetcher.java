package power;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * Fetches sets of packages that belong together, and does not give up while there is another place to look. In this
 * order: the newest of the suite, the newest of the suite's other name, older ones in both, what an earlier run has
 * kept, the same series in other suites. Each step from one to the next is reported in one line.
 */
final class Fetcher {
    /** Packages of one version, all of one suite. */
    record Choice(String version, List<DebianPackage> packages) {
        /** The first two numbers of the version: 6.12 of 6.12.107-1, 7.3 of 7.3~rc7-1. */
        String series() {
            String[] numbers = version.replaceFirst("^\\d+:", "").split("[.~+-]", -1);
            return numbers.length > 1 ? numbers[0] + "." + numbers[1] : numbers[0];
        }
    }

    /** What a suite has of what is wanted, newest first. */
    @FunctionalInterface
    interface Chooser {
        List<Choice> choices(Archive archive) throws Archive.Unavailable, IOException, InterruptedException;
    }

    /** The archive of a suite, which may have to be looked for. */
    @FunctionalInterface
    interface Archives {
        Archive of(List<String> suites) throws Failure, IOException, InterruptedException;
    }

    /**
     * What is to be fetched.
     *
     * @param what for messages: "the kernel"
     * @param names the suite and its other names; each is a list that begins with the suite and goes on with those that
     *     its packages depend on
     * @param others other suites that may have the same series
     * @param series the start of the series' name if no index of the suite can be read; empty if any will do
     */
    record Wanted(String what, List<List<String>> names, List<List<String>> others, String series, Chooser chooser) {}

    /** What was fetched into the directory. */
    record Fetched(String suite, Choice choice) {}

    private final Archives archives;
    private final Map<List<String>, String> updates = new HashMap<>();
    private final Consumer<String> report;

    /**
     * Fetches from these archives.
     *
     * @param archives the archive of a suite
     * @param report gets the lines for the user
     */
    Fetcher(Archives archives, Consumer<String> report) {
        this.archives = archives;
        this.report = report;
    }

    /**
     * Downloads into an empty directory.
     *
     * @param kept the version that an earlier run has kept, if any
     * @return what was downloaded; empty if what was kept is to be used
     */
    Optional<Fetched> fetch(Wanted wanted, Optional<String> kept, Path directory)
            throws Failure, IOException, InterruptedException {
        return new Search(wanted, directory).run(kept);
    }

    private final class Search {
        private final Wanted wanted;
        private final Path directory;
        private final List<String> failures = new ArrayList<>();
        private final Set<String> failed = new HashSet<>();
        private String series;
        private boolean isSeriesKnown;
        private String last = "";

        Search(Wanted wanted, Path directory) {
            this.wanted = wanted;
            this.directory = directory;
            this.series = wanted.series();
        }

        Optional<Fetched> run(Optional<String> kept) throws Failure, IOException, InterruptedException {
            for (List<String> suite : wanted.names()) {
                List<Choice> choices = current(suite);
                if (!choices.isEmpty()) {
                    learnSeries(choices.getFirst());
                    Optional<Fetched> fetched = download(suite, choices.getFirst());
                    if (fetched.isPresent()) {
                        return fetched;
                    }
                }
            }
            for (List<String> suite : wanted.names()) {
                for (Choice choice : known(suite)) {
                    learnSeries(choice);
                    Optional<Fetched> fetched = download(suite, choice);
                    if (fetched.isPresent()) {
                        return fetched;
                    }
                }
            }
            if (kept.isPresent()) {
                goOn(kept.get() + ", which is in the cache");
                return Optional.empty();
            }
            for (List<String> suite : wanted.others()) {
                for (Choice choice : current(suite)) {
                    if (isOfSeries(choice)) {
                        Optional<Fetched> fetched = download(suite, choice);
                        if (fetched.isPresent()) {
                            return fetched;
                        }
                    }
                }
            }
            throw new Failure("cannot fetch " + wanted.what() + ", tried " + String.join("; ", failures));
        }

        private void learnSeries(Choice newest) {
            if (!isSeriesKnown) {
                series = newest.series();
                isSeriesKnown = true;
            }
        }

        private boolean isOfSeries(Choice choice) {
            return isSeriesKnown
                    ? choice.series().equals(series)
                    : choice.series().startsWith(series);
        }

        /** The choices of a suite whose index is up to date; none if it cannot be, which is a failure. */
        private List<Choice> current(List<String> suite) throws Failure, IOException, InterruptedException {
            Archive archive = archives.of(suite);
            goOn(archive.name());
            try {
                update(suite, archive);
                List<Choice> choices = wanted.chooser().choices(archive);
                boolean isUseful =
                        choices.stream().anyMatch(choice -> !wanted.others().contains(suite) || isOfSeries(choice));
                if (!isUseful) {
                    fail(archive.name(), "it has none" + (choices.isEmpty() ? "" : " of " + series));
                }
                return choices;
            } catch (Archive.Unavailable e) {
                fail(archive.name(), e.reason());
                return List.of();
            }
        }

        /** The choices by the index that was read last, be it now or in an earlier run. */
        private List<Choice> known(List<String> suite) throws Failure, IOException, InterruptedException {
            try {
                return wanted.chooser().choices(archives.of(suite));
            } catch (Archive.Unavailable e) {
                fail(suite.getFirst(), e.reason());
                return List.of();
            }
        }

        private Optional<Fetched> download(List<String> suite, Choice choice)
                throws Failure, IOException, InterruptedException {
            List<String> exactly =
                    choice.packages().stream().map(DebianPackage::exactly).toList();
            Archive archive = archives.of(suite);
            if (failed.contains(suite + " " + exactly)) {
                return Optional.empty();
            }
            goOn(archive.name() + "'s " + choice.version());
            try {
                archive.download(directory, choice.packages());
                return Optional.of(new Fetched(archive.name(), choice));
            } catch (Archive.Unavailable e) {
                failed.add(suite + " " + exactly);
                fail(archive.name() + "'s " + choice.version(), e.reason());
                empty();
                return Optional.empty();
            }
        }

        /** Each suite's index is read once in a run. */
        private void update(List<String> suite, Archive archive)
                throws Archive.Unavailable, IOException, InterruptedException {
            String result = updates.get(suite);
            if (result == null) {
                try {
                    archive.update();
                    updates.put(suite, "");
                } catch (Archive.Unavailable e) {
                    updates.put(suite, e.reason());
                    throw e;
                }
            } else if (!result.isEmpty()) {
                throw new Archive.Unavailable(result);
            }
        }

        private void fail(String place, String reason) {
            last = place + ": " + reason;
            failures.add(last);
        }

        private void goOn(String next) {
            if (!last.isEmpty()) {
                report.accept(wanted.what() + ": " + last + "; trying " + next);
                last = "";
            }
        }

        private void empty() throws IOException {
            try (Stream<Path> files = Files.list(directory)) {
                for (Path file : files.toList()) {
                    Files.delete(file);
                }
            }
        }
    }
}
