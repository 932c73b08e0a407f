package org.jvfio.emulator.nvme;

import java.util.ArrayList;
import java.util.List;

/**
 * Asynchronous events: what the host waits for with Asynchronous Event Requests (NVM Express 1.4, 5.2). After an event
 * of a type was told, others of that type wait until the host has read the log page that says more.
 */
final class Events {
    /** How many requests the host may have outstanding. */
    static final int LIMIT = 4;

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
    private int masked;

    Events(Queues queues) {
        this.queues = queues;
    }

    /** Whether the host waits for events. */
    boolean isAwaited() {
        return !requests.isEmpty();
    }

    /** The host waits for one more event: a status. */
    int request(Command command) {
        if (requests.size() == LIMIT) {
            return Status.ASYNC_EVENT_LIMIT_EXCEEDED;
        }
        requests.add(command.kept());
        deliver();
        return Status.PENDING;
    }

    /** Whether a request of the host has this command identifier. */
    boolean hasRequest(int command) {
        return requests.stream().anyMatch(request -> request.id() == command);
    }

    /** Ends a request of the host as aborted, if there is one with this command identifier. */
    boolean abort(int command) {
        for (Command request : requests) {
            if (request.id() == command) {
                requests.remove(request);
                queues.complete(request, Status.ABORTED_BY_REQUEST);
                return true;
            }
        }
        return false;
    }

    /** Something has happened. An event that waits to be told already is told once. */
    void raise(int type, int information, int logPage) {
        Event event = new Event(type, information, logPage);
        if (!waiting.contains(event)) {
            waiting.add(event);
        }
        deliver();
    }

    /** The host has read the log page of a type of events, and wants to know of more. */
    void logRead(int type) {
        masked &= ~(1 << type);
        deliver();
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
            Command request = requests.removeFirst();
            queues.complete(request.queue(), request.id(), event.result(), Status.SUCCESS);
        }
    }

    void reset() {
        requests.clear();
        waiting.clear();
        masked = 0;
    }
}
