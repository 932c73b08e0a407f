package org.jvfio.emulator.nvme;

import java.util.ArrayList;
import java.util.List;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.DeviceBus;

/** The queues of a controller; the admin queues have identifier 0. */
final class Queues {
    private final DeviceBus bus;
    private final Interrupts interrupts;
    private final ErrorLog errors;
    private final Runnable fatal;
    private final @Nullable SubmissionQueue[] submissions;
    private final @Nullable CompletionQueue[] completions;
    private final List<CompletionQueue> posted = new ArrayList<>();
    private boolean everCreated;

    /**
     * Creates an empty set.
     * @param pairs the maximum number of I/O queue pairs
     * @param fatal called when a completion cannot be written
     */
    Queues(DeviceBus bus, Interrupts interrupts, ErrorLog errors, int pairs, Runnable fatal) {
        this.bus = bus;
        this.interrupts = interrupts;
        this.errors = errors;
        this.fatal = fatal;
        submissions = new @Nullable SubmissionQueue[pairs + 1];
        completions = new @Nullable CompletionQueue[pairs + 1];
    }

    /** The maximum number of I/O queue pairs. */
    int pairs() {
        return submissions.length - 1;
    }

    /** Whether an I/O queue was created since the controller was enabled. */
    boolean everCreated() {
        return everCreated;
    }

    @Nullable
    SubmissionQueue submission(int id) {
        return id < submissions.length ? submissions[id] : null;
    }

    @Nullable
    CompletionQueue completion(int id) {
        return id < completions.length ? completions[id] : null;
    }

    /** Whether this is a valid identifier of an I/O queue. */
    boolean isValid(int id) {
        return id > 0 && id < submissions.length;
    }

    void add(CompletionQueue queue) {
        completions[queue.id()] = queue;
        everCreated |= queue.id() != 0;
    }

    void add(SubmissionQueue queue) {
        submissions[queue.id()] = queue;
        queue.completions().attach(1);
    }

    /** Deletes a completion queue that no submission queue uses. */
    void remove(CompletionQueue queue) {
        completions[queue.id()] = null;
        posted.remove(queue);
        interrupts.deleted(queue);
    }

    /** Deletes a submission queue; its commands in flight are aborted. */
    void remove(SubmissionQueue queue) {
        List<Command> aborted = List.copyOf(queue.inFlight());
        queue.inFlight().clear();
        for (Command command : aborted) {
            if (command.isAbortable()) {
                complete(command, Status.COMMAND_ABORTED_DUE_TO_SQ_DELETION);
            }
        }
        submissions[queue.id()] = null;
        queue.completions().attach(-1);
    }

    /** Deletes all queues and the commands in flight. */
    void clear() {
        for (int id = 0; id < submissions.length; id++) {
            SubmissionQueue submission = submissions[id];
            if (submission != null) {
                submission.inFlight().clear();
            }
            submissions[id] = null;
            completions[id] = null;
        }
        posted.clear();
        everCreated = false;
    }

    /** Completes a command. */
    void complete(Command command, int status) {
        int told = status;
        if (status != Status.SUCCESS) {
            boolean hasBlock = !command.queue().isAdmin();
            errors.add(
                    command.queue().id(),
                    command.id(),
                    status,
                    command.namespace(),
                    hasBlock ? command.qword(IoCommands.FIRST_BLOCK) : 0);
            if (errors.isKept()) {
                told |= Status.MORE;
            }
        }
        complete(command.queue(), command.id(), command.result(), told);
    }

    /** Completes a command of a queue. */
    void complete(SubmissionQueue queue, int command, int result, int status) {
        CompletionQueue target = queue.completions();
        if (!target.post(bus, queue, command, result, status)) {
            fatal.run();
        }
        remember(target);
    }

    /** Overwrites entries of the completion queue of a submission queue. */
    void scribble(SubmissionQueue queue, int entries, LongSupplier source) {
        if (!queue.completions().scribble(bus, entries, source)) {
            fatal.run();
        }
    }

    private void remember(CompletionQueue queue) {
        if (queue.isPosted() && !posted.contains(queue)) {
            posted.add(queue);
        }
    }

    /** A completion queue has free slots again. */
    void postWaiting(CompletionQueue queue) {
        if (!queue.postWaiting(bus)) {
            fatal.run();
        }
        remember(queue);
    }

    /** Raises one interrupt for each queue with new completions. */
    void raiseInterrupts() {
        for (int index = 0; index < posted.size(); index++) {
            CompletionQueue queue = posted.get(index);
            queue.interruptRaised();
            interrupts.posted(queue);
        }
        posted.clear();
    }
}
