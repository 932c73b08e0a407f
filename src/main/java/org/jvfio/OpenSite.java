package org.jvfio;

import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.util.Collection;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;

/**
 * Where something was opened that must be closed. If it is forgotten, which the garbage collector finds, the place is
 * logged as a warning ({@code System.Logger} of the name {@code org.jvfio}). What was forgotten is left as it is, since a
 * device may be using it: memory that is registered is kept for the rest of the process.
 */
final class OpenSite {
    private static final Cleaner CLEANER = Cleaner.create();
    private static final Set<Watch> FORGOTTEN = ConcurrentHashMap.newKeySet();

    /** What is left when the owner is gone: it must not refer to it. */
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
            return "%s was never closed; what it holds, %s of registered memory among it, is lost until the process ends"
                    .formatted(what, ByteSize.format(bytes));
        }
    }

    private final Watch watch;
    private Cleaner.@Nullable Cleanable cleanable;

    /**
     * Remembers who opens something now.
     *
     * @param what it is, as a sentence begins
     * @param kept memory by address that it keeps from being freed; it may change
     */
    OpenSite(String what, Map<Long, MemorySegment> kept) {
        watch = new Watch(what, kept);
    }

    /** Watches over the owner from now on; called once, when it is complete. */
    void watch(Object owner) {
        cleanable = CLEANER.register(owner, watch);
    }

    /** The owner, which calls this, is closed. */
    void closed() {
        watch.closed = true;
        if (cleanable != null) {
            cleanable.clean();
        }
    }

    /** Where that was opened which was forgotten so far. */
    static Collection<Throwable> forgotten() {
        return FORGOTTEN.stream().map(watch -> watch.opened).toList();
    }
}
