package org.jvfio.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jvfio.kernel.FileErrors;

/**
 * New texts of files, on disk beside them until {@link #commit} puts them in their places: a full disk or a missing
 * permission is met before anything has changed. Closing removes what was not committed.
 */
final class FileDrafts implements AutoCloseable {
    private final Map<Path, Path> drafts = new LinkedHashMap<>();

    /**
     * Writes the drafts, and makes missing directories.
     *
     * @throws Failure if one cannot be written; none remains then
     */
    static FileDrafts of(Map<Path, String> texts) throws Failure {
        FileDrafts drafts = new FileDrafts();
        for (Map.Entry<Path, String> text : texts.entrySet()) {
            try {
                drafts.add(text.getKey(), text.getValue());
            } catch (IOException e) {
                drafts.close();
                throw cannotWrite(text.getKey(), e);
            }
        }
        return drafts;
    }

    private void add(Path file, String text) throws IOException {
        Path directory = file.toAbsolutePath().getParent();
        if (directory != null) {
            Files.createDirectories(directory);
        }
        Path draft = file.resolveSibling("." + file.getFileName() + ".new");
        drafts.put(file, draft);
        Files.writeString(draft, text);
    }

    /** The files that {@link #commit} writes. */
    List<String> files() {
        return drafts.keySet().stream().map(Path::toString).toList();
    }

    /** Puts each file in its place, as a whole. */
    void commit() throws Failure {
        for (Map.Entry<Path, Path> draft : drafts.entrySet()) {
            try {
                Files.move(
                        draft.getValue(),
                        draft.getKey(),
                        StandardCopyOption.REPLACE_EXISTING,
                        StandardCopyOption.ATOMIC_MOVE);
            } catch (IOException e) {
                throw cannotWrite(draft.getKey(), e);
            }
        }
        drafts.clear();
    }

    @Override
    public void close() throws Failure {
        for (Path draft : drafts.values()) {
            try {
                Files.deleteIfExists(draft);
            } catch (IOException e) {
                throw Failure.failed("cannot remove " + draft + ": " + FileErrors.reason(e));
            }
        }
        drafts.clear();
    }

    private static Failure cannotWrite(Path file, IOException e) {
        return Failure.failed("cannot write " + file + ": " + FileErrors.reason(e));
    }
}
