package org.jvfio.driver.nvme;

import java.util.ArrayDeque;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The requests for the asynchronous events of a controller (NVM Express base specification 1.4, 5.2): what it tells is
 * passed on, once the log page that belongs to it was read, without which it tells nothing more of that kind.
 *
 * <p>The thread that opens the controller has it first, then the one that watches it; neither waits for an answer of the
 * controller here.
 */
final class EventRequests {
    private static final int GET_LOG_PAGE = 0x02;
    private static final int ASYNC_EVENT_REQUEST = 0x0c;
    private static final int ALL_NAMESPACES = -1;
    private static final int LOG_ERRORS = 1;
    private static final int LOG_HEALTH = 2;
    private static final int LOG_NAMESPACES = 4;
    private static final int MAX_IN_FLIGHT = 4;
    private static final System.Logger LOGGER = System.getLogger("org.jvfio.driver.nvme");

    private final NvmeController controller;
    private final NvmeQueue admin;
    private final NvmeBuffer logPage;
    private final Consumer<NvmeEvent> listener;

    // Those that have an event are added by whichever thread finds their completion.
    private final Queue<NvmeRequest> arrived = new ConcurrentLinkedQueue<>();
    private final Queue<NvmeRequest> toSubmit = new ArrayDeque<>();
    private final NvmeRequest reading = new NvmeRequest();
    private List<NvmeRequest> requests = List.of();
    private @Nullable NvmeRequest current;
    private boolean isReading;

    /**
     * Requests that are not submitted yet.
     *
     * @param logPage memory of {@link ControllerData#BYTES} that nobody else uses
     */
    EventRequests(NvmeController controller, NvmeQueue admin, NvmeBuffer logPage, Consumer<NvmeEvent> listener) {
        this.controller = controller;
        this.admin = admin;
        this.logPage = logPage;
        this.listener = listener;
    }

    /**
     * Asks a controller that has just begun, and knows of no earlier requests.
     *
     * @param limit how many requests it takes at a time
     */
    void begin(int limit) {
        // Earlier ones whose event is not told yet are not submitted again, or there would be too many.
        requests = IntStream.range(0, Math.min(MAX_IN_FLIGHT, limit))
                .mapToObj(each -> new NvmeRequest().onDone(this::arrived))
                .toList();
        toSubmit.clear();
        toSubmit.addAll(requests);
        submit();
    }

    private void arrived(NvmeRequest request) {
        if (request.isSuccess()) {
            arrived.add(request);
        }
    }

    private void submit() {
        for (NvmeRequest next = toSubmit.peek(); next != null; next = toSubmit.peek()) {
            next.admin("ask " + controller + " for an event", ASYNC_EVENT_REQUEST, 0, 0, 0)
                    .forEver();
            if (!admin.submit(next)) {
                return;
            }
            toSubmit.remove();
        }
    }

    /** Tells the listener what has come, as far as the log pages are there; the rest is told by a later call. */
    void tell() {
        submit();
        for (NvmeRequest request = next(); request != null; request = next()) {
            NvmeEvent event = NvmeEvent.of(request.result());
            if (hasLogPage(event) && !read(event)) {
                return;
            }
            tell(event);
            current = null;
            // A request is submitted again once its event is told: the controller has no more events than requests.
            if (requests.contains(request)) {
                toSubmit.add(request);
                submit();
            }
        }
    }

    private @Nullable NvmeRequest next() {
        if (current == null) {
            current = arrived.poll();
        }
        return current;
    }

    private static boolean hasLogPage(NvmeEvent event) {
        return Stream.of(LOG_ERRORS, LOG_HEALTH, LOG_NAMESPACES).anyMatch(page -> page == event.logPage());
    }

    /** Whether the log page of an event was read, or could not be. */
    private boolean read(NvmeEvent event) {
        if (!isReading) {
            int page = event.logPage();
            int bytes = page == LOG_NAMESPACES ? ControllerData.BYTES : NvmeHealth.BYTES;
            int dwords = bytes / Integer.BYTES - 1;
            reading.admin(
                            "read log page %d of %s".formatted(page, controller),
                            GET_LOG_PAGE,
                            ALL_NAMESPACES,
                            dwords << 16 | page,
                            0)
                    .data(logPage.slice(0, bytes));
            isReading = admin.submit(reading);
        }
        admin.poll();
        if (!isReading || !reading.isDone()) {
            return false;
        }
        isReading = false;
        if (reading.isRefused()) {
            LOGGER.log(
                    System.Logger.Level.WARNING,
                    "{0}; it may not tell of the like again",
                    reading.failure().getMessage());
        }
        return true;
    }

    private void tell(NvmeEvent event) {
        try {
            listener.accept(event);
        } catch (Throwable thrown) {
            // Timeouts are looked after by this thread, too.
            Uncaught.report(thrown);
        }
    }
}
