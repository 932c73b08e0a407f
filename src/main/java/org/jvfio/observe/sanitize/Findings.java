package org.jvfio.observe.sanitize;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.jvfio.observe.sanitize.Finding.Kind;

/** Collects findings; the same one at the same places is counted. Acquired last, by any thread. */
final class Findings {
    /** A driver that makes mistakes in a loop, each a different one, must not fill the heap. */
    private static final int MAX_FINDINGS = 1000;

    private final Map<Key, Finding> all = new LinkedHashMap<>();

    private record Key(Kind kind, String text, List<Site> sites) {}

    synchronized void add(Kind kind, String text, Site... sites) {
        List<Site> known = Stream.of(sites).filter(Site::isKnown).toList();
        Key key = new Key(kind, text, known);
        Finding before = all.get(key);
        if (before != null) {
            all.put(key, before.again());
        } else if (all.size() < MAX_FINDINGS) {
            all.put(key, new Finding(kind, text, known, 1));
        }
    }

    /** Adds what is left, which is one finding however often it is looked for. */
    synchronized void addLeft(Kind kind, String text, Site site) {
        List<Site> known = site.isKnown() ? List.of(site) : List.of();
        if (!all.containsKey(new Key(kind, text, known))) {
            add(kind, text, site);
        }
    }

    synchronized List<Finding> all() {
        return List.copyOf(all.values());
    }
}
