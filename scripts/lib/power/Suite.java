package power;

import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * The Debian releases whose kernels can be booted. While a mirror is being updated, one may be whole by another name
 * only.
 */
enum Suite {
    TRIXIE("6.12", "trixie stable", "bookworm-backports trixie-updates"),
    SID("", "sid unstable", "testing trixie-backports stable-backports"),
    EXPERIMENTAL("7.", "experimental rc-buggy", "sid unstable"),
    BACKPORTS("7.", "trixie-backports stable-backports", "sid unstable testing bookworm-backports"),
    BOOKWORM("6.1", "bookworm oldstable", "bookworm-updates");

    private final String series;
    private final String names;
    private final String others;

    Suite(String series, String names, String others) {
        this.series = series;
        this.names = names;
        this.others = others;
    }

    static List<String> all() {
        return Arrays.stream(values()).map(Suite::toString).toList();
    }

    static Suite of(String name) {
        return valueOf(name.toUpperCase(Locale.ROOT));
    }

    /** How its kernel's version begins, as far as that is certain. */
    String series() {
        return series;
    }

    /** The names that it has in the archive. */
    List<List<String>> names() {
        return words(names);
    }

    /** Where the same series of kernels may be, too. */
    List<List<String>> others() {
        return words(others);
    }

    private static List<List<String>> words(String text) {
        return Arrays.stream(text.split(" ", -1)).map(List::of).toList();
    }

    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}
