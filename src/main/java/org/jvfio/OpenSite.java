package org.jvfio;

import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.util.Collection;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * The place where an object was opened that must be closed. If the object becomes unreachable without having been
 * closed, a {@link Cleaner} logs the place as a warning ({@code System.Logger} named {@code org.jvfio}). The kernel's
 * objects behind it stay open, since a device may be using them: registered memory is kept for the rest of the process.
 */
final class OpenSite {
    private static final Cleaner CLEANER = Cleaner.create();
    private static final Set<Watch> FORGOTTEN = ConcurrentHashMap.newKeySet();

    /** The cleaning action. It must not refer to the owner, or that would stay reachable. */
    private static final class Watch implements Runnable {
        private final String what;
        private final Throwable opened = new Throwable("it was opened here");
        private final Map<Long, MemorySegment> kept;
        private volatile boolean closed;

        private Watch(String what, Map<Long, MemorySegment> kept) {
            this.what = what;
            this.kept = kept;
        }

        @Override
        public void run() {
            if (!closed) {
                FORGOTTEN.add(this);
                System.getLogger("org.jvfio").log(System.Logger.Level.WARNING, message(), opened);
            }
        }

        private String message() {
            long bytes =
                    kept.values().stream().mapToLong(MemorySegment::byteSize).sum();
            return what + " was never closed; what it holds, " + ByteSize.format(bytes)
                    + " of registered memory among it, is lost until the process ends";
        }
    }

    private final Watch watch;
    private Cleaner.@Nullable Cleanable cleanable;

    /**
     * Records the stack of the caller.
     *
     * @param what the owner, as the subject of a sentence
     * @param kept memory by address that stays reachable with the cleaning action; it may change
     */
    OpenSite(String what, Map<Long, MemorySegment> kept) {
        watch = new Watch(what, kept);
    }

    /** Registers the owner; called once, at the end of its construction. */
    void watch(Object owner) {
        cleanable = CLEANER.register(owner, watch);
    }

    /** Ends the watch: the owner is closed. */
    void closed() {
        watch.closed = true;
        if (cleanable != null) {
            cleanable.clean();
        }
    }

    /** The places where objects were opened that became unreachable so far. */
    static Collection<Throwable> forgotten() {
        return FORGOTTEN.stream().map(watch -> watch.opened).toList();
    }
}
