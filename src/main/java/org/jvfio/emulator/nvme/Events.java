package org.jvfio.emulator.nvme;

import java.util.ArrayList;
import java.util.List;

/**
 * Asynchronous events, which complete Asynchronous Event Requests (NVM Express 1.4, 5.2). After an event was reported,
 * further events of its type are masked until the host has read the associated log page.
 */
final class Events {
    /** The maximum number of outstanding requests. */
    static final int LIMIT = 4;

    /** The maximum number of events that wait for requests where equal ones are all reported. */
    private static final int MAX_WAITING = 64;

    static final int TYPE_ERROR = 0;
    static final int TYPE_HEALTH = 1;
    static final int TYPE_NOTICE = 2;

    static final int INVALID_DOORBELL_REGISTER = 0;
    static final int INVALID_DOORBELL_VALUE = 1;
    static final int TEMPERATURE = 1;
    static final int NAMESPACE_CHANGED = 0;

    private record Event(int type, int information, int logPage) {
        private int result() {
            return logPage << 16 | information << 8 | type;
        }
    }

    private final Queues queues;
    private final List<Command> requests = new ArrayList<>();
    private final List<Event> waiting = new ArrayList<>();
    private final boolean newestFirst;
    private final boolean readDiscards;
    private int masked;

    Events(Queues queues, Configuration configuration) {
        this.queues = queues;
        newestFirst = configuration.has(Deviation.NEWEST_REQUEST_FIRST);
        readDiscards = configuration.has(Deviation.READ_DISCARDS_EVENTS);
    }

    /** Whether requests are outstanding. */
    boolean isAwaited() {
        return !requests.isEmpty();
    }

    /** Adds a request; returns its status. */
    int request(Command command) {
        if (requests.size() == LIMIT) {
            return Status.ASYNCHRONOUS_EVENT_REQUEST_LIMIT_EXCEEDED;
        }
        requests.add(command.kept());
        deliver();
        return Status.PENDING;
    }

    /** Whether an outstanding request has this command identifier. */
    boolean hasRequest(int command) {
        return requests.stream().anyMatch(request -> request.id() == command);
    }

    /** Aborts the outstanding request with this command identifier, if there is one. */
    boolean abort(int command) {
        for (Command request : requests) {
            if (request.id() == command) {
                requests.remove(request);
                queues.complete(request, Status.COMMAND_ABORT_REQUESTED);
                return true;
            }
        }
        return false;
    }

    /** Reports an event. An event that is already pending is reported once. */
    void raise(int type, int information, int logPage) {
        Event event = new Event(type, information, logPage);
        boolean isNew = newestFirst ? waiting.size() < MAX_WAITING : !waiting.contains(event);
        if (isNew) {
            waiting.add(event);
        }
        deliver();
    }

    /** Unmasks a type of events, because the host has read its log page. */
    void logRead(int type) {
        masked &= ~(1 << type);
        if (readDiscards) {
            waiting.removeIf(event -> event.type() == type);
        } else {
            deliver();
        }
    }

    private void deliver() {
        for (int index = 0; index < waiting.size() && !requests.isEmpty(); ) {
            Event event = waiting.get(index);
            if ((masked & 1 << event.type()) != 0) {
                index++;
                continue;
            }
            waiting.remove(index);
            masked |= 1 << event.type();
            Command request = newestFirst ? requests.removeLast() : requests.removeFirst();
            queues.complete(request.queue(), request.id(), event.result(), Status.SUCCESS);
        }
    }

    void reset() {
        requests.clear();
        waiting.clear();
        masked = 0;
    }
}
