package org.jvfio.driver.nvme;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The Asynchronous Event Requests of a controller (NVM Express base specification 1.4, 5.2). An event is passed to the
 * listener after its log page was read: until then the controller reports no further event of that type.
 *
 * <p>Used by one thread: the one that opens the controller, then the watchdog; under the controller's lock during a
 * reset. It never waits for the controller.
 */
final class EventRequests {
    private static final int LOG_ERRORS = 1;
    private static final int LOG_HEALTH = 2;
    private static final int LOG_NAMESPACES = NvmeEvent.LOG_NAMESPACES;
    private static final int MAX_IN_FLIGHT = 4;
    private static final System.Logger LOGGER = System.getLogger("org.jvfio.driver.nvme");

    private final ControllerLifecycle owner;
    private final NvmeQueue admin;
    private final NvmeBuffer logPage;
    private final Consumer<NvmeEvent> listener;

    /** Completed requests; any thread that polls the admin queue adds to it. */
    private final Queue<NvmeRequest> completed = new ConcurrentLinkedQueue<>();

    private final Queue<NvmeRequest> toSubmit = new ArrayDeque<>();
    private final NvmeRequest logRead = new NvmeRequest();
    private final Attempts attempts;
    /** When a log page is read again that the controller refused to return; valid while it is delayed. */
    private long retryNanos;

    private boolean isDelayed;
    private List<NvmeRequest> requests = List.of();
    private @Nullable NvmeRequest current;
    private boolean isReading;

    /**
     * Creates the requests of a controller; {@link #begin} submits them.
     *
     * @param logPage memory of {@link ControllerData#BYTES} for this class alone
     */
    EventRequests(ControllerLifecycle owner, NvmeQueue admin, NvmeBuffer logPage, Consumer<NvmeEvent> listener) {
        this.owner = owner;
        this.admin = admin;
        this.logPage = logPage;
        this.listener = listener;
        attempts = new Attempts(owner.options());
    }

    /**
     * Submits requests to a controller that was just enabled and has none.
     *
     * @param limit the maximum number of requests in flight (AERL)
     */
    void begin(int limit) {
        // New ones each time: those of before a reset whose event is not processed yet must not be submitted again, or
        // the limit would be exceeded.
        requests = IntStream.range(0, Math.min(MAX_IN_FLIGHT, limit))
                .mapToObj(each -> new NvmeRequest().onDone(this::completed))
                .toList();
        toSubmit.clear();
        toSubmit.addAll(requests);
        submit();
    }

    private void completed(NvmeRequest request) {
        if (request.isSuccess()) {
            completed.add(request);
        }
    }

    private void submit() {
        for (NvmeRequest next = toSubmit.peek(); next != null; next = toSubmit.peek()) {
            next.admin("request an event of " + owner, AdminQueue.ASYNC_EVENT_REQUEST, 0, 0, 0)
                    .withoutDeadline();
            if (!admin.submit(next)) {
                return;
            }
            toSubmit.remove();
        }
    }

    /** Passes events to the listener whose log pages have been read; a later call continues with the rest. */
    void process() {
        submit();
        for (NvmeRequest request = next(); request != null; request = next()) {
            NvmeEvent event = NvmeEvent.of(request.result());
            if (hasLogPage(event) && !read(event)) {
                return;
            }
            deliver(
                    event.logPage() == LOG_NAMESPACES && logRead.isSuccess()
                            ? event.with(namespaces(ControllerData.copy(logPage.segment())))
                            : event);
            current = null;
            // Not earlier: then there are never more events to process than requests.
            if (requests.contains(request)) {
                toSubmit.add(request);
                submit();
            }
        }
    }

    private @Nullable NvmeRequest next() {
        if (current == null) {
            current = completed.poll();
        }
        return current;
    }

    private static boolean hasLogPage(NvmeEvent event) {
        return Stream.of(LOG_ERRORS, LOG_HEALTH, LOG_NAMESPACES).anyMatch(page -> page == event.logPage());
    }

    /** Reads the log page of an event; false while the read is in flight or delayed. */
    private boolean read(NvmeEvent event) {
        if (isDelayed && System.nanoTime() - retryNanos < 0) {
            return false;
        }
        isDelayed = false;
        if (!isReading) {
            int page = event.logPage();
            int bytes = page == LOG_NAMESPACES ? ControllerData.BYTES : NvmeHealth.BYTES;
            logRead.admin(
                            "read log page %d of %s".formatted(page, owner),
                            AdminQueue.GET_LOG_PAGE,
                            AdminQueue.ALL_NAMESPACES,
                            AdminQueue.logDword10(page, bytes),
                            0)
                    .data(logPage.slice(0, bytes));
            isReading = admin.submit(logRead);
        }
        admin.poll();
        if (!isReading || !logRead.isDone()) {
            return false;
        }
        isReading = false;
        if (logRead.isRejected()) {
            if (attempts.mayRetry(logRead.status())) {
                isDelayed = true;
                retryNanos = System.nanoTime() + attempts.delayNanos(logRead, owner.retryDelays());
                return false;
            }
            LOGGER.log(
                    System.Logger.Level.WARNING,
                    "{0}; it may report no further event of that type",
                    logRead.failure().getMessage());
        }
        attempts.reset();
        return true;
    }

    /** The identifiers in the log page of changed namespaces, which zero or its end ends. */
    static List<Integer> namespaces(ControllerData list) {
        List<Integer> ids = new ArrayList<>();
        for (int at = 0; at < ControllerData.BYTES && list.integer(at) != 0; at += Integer.BYTES) {
            ids.add(list.integer(at));
        }
        return ids.equals(List.of(AdminQueue.ALL_NAMESPACES)) ? List.of() : ids;
    }

    private void deliver(NvmeEvent event) {
        try {
            listener.accept(event);
        } catch (Throwable thrown) {
            // The watchdog thread must go on.
            Uncaught.report(thrown);
        }
    }
}
