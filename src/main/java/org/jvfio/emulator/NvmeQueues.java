package org.jvfio.emulator;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The queues of a controller: number 0 are those of administration. */
final class NvmeQueues {
    private final DeviceBus bus;
    private final NvmeInterrupts interrupts;
    private final NvmeErrorLog errors;
    private final Runnable fatal;
    private final @Nullable NvmeSubmissionQueue[] submissions;
    private final @Nullable NvmeCompletionQueue[] completions;
    private final List<NvmeCompletionQueue> posted = new ArrayList<>();
    private boolean everCreated;

    /**
     * No queues.
     *
     * @param pairs how many I/O queues of each kind there may be
     * @param fatal what is done when a completion cannot be written
     */
    NvmeQueues(DeviceBus bus, NvmeInterrupts interrupts, NvmeErrorLog errors, int pairs, Runnable fatal) {
        this.bus = bus;
        this.interrupts = interrupts;
        this.errors = errors;
        this.fatal = fatal;
        submissions = new @Nullable NvmeSubmissionQueue[pairs + 1];
        completions = new @Nullable NvmeCompletionQueue[pairs + 1];
    }

    /** How many I/O queues of each kind there may be. */
    int pairs() {
        return submissions.length - 1;
    }

    /** Whether the host has created an I/O queue since the controller was enabled. */
    boolean everCreated() {
        return everCreated;
    }

    @Nullable
    NvmeSubmissionQueue submission(int id) {
        return id < submissions.length ? submissions[id] : null;
    }

    @Nullable
    NvmeCompletionQueue completion(int id) {
        return id < completions.length ? completions[id] : null;
    }

    /** Whether an I/O queue may have this number. */
    boolean isValid(int id) {
        return id > 0 && id < submissions.length;
    }

    void add(NvmeCompletionQueue queue) {
        completions[queue.id()] = queue;
        everCreated |= queue.id() != 0;
    }

    void add(NvmeSubmissionQueue queue) {
        submissions[queue.id()] = queue;
        queue.completions().attach(1);
    }

    /** Takes a completion queue away that no submission queue uses. */
    void remove(NvmeCompletionQueue queue) {
        completions[queue.id()] = null;
        posted.remove(queue);
        interrupts.deleted(queue);
    }

    /** Takes a submission queue away; its commands that are under way end as aborted. */
    void remove(NvmeSubmissionQueue queue) {
        List<NvmeCommand> aborted = List.copyOf(queue.inFlight());
        queue.inFlight().clear();
        for (NvmeCommand command : aborted) {
            if (command.isAbortable()) {
                complete(command, NvmeStatus.ABORTED_BY_QUEUE_DELETION);
            }
        }
        submissions[queue.id()] = null;
        queue.completions().attach(-1);
    }

    /** Takes all queues away, and all that is under way. */
    void clear() {
        for (int id = 0; id < submissions.length; id++) {
            NvmeSubmissionQueue submission = submissions[id];
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
    void complete(NvmeCommand command, int status) {
        int told = status;
        if (status != NvmeStatus.SUCCESS) {
            boolean hasBlock = !command.queue().isAdmin();
            errors.add(
                    command.queue().id(),
                    command.id(),
                    status,
                    command.namespace(),
                    hasBlock ? command.qword(NvmeIoCommands.FIRST_BLOCK) : 0);
            told |= NvmeStatus.MORE;
        }
        complete(command.queue(), command.id(), command.result(), told);
    }

    /** Completes a command of a queue. */
    void complete(NvmeSubmissionQueue queue, int command, int result, int status) {
        NvmeCompletionQueue target = queue.completions();
        if (!target.post(bus, queue, command, result, status)) {
            fatal.run();
        }
        remember(target);
    }

    private void remember(NvmeCompletionQueue queue) {
        if (queue.isPosted() && !posted.contains(queue)) {
            posted.add(queue);
        }
    }

    /** There is room in a completion queue again. */
    void postWaiting(NvmeCompletionQueue queue) {
        if (!queue.postWaiting(bus)) {
            fatal.run();
        }
        remember(queue);
    }

    /** Raises one interrupt for each queue that was posted to. */
    void raiseInterrupts() {
        for (int index = 0; index < posted.size(); index++) {
            NvmeCompletionQueue queue = posted.get(index);
            queue.interruptRaised();
            interrupts.posted(queue);
        }
        posted.clear();
    }
}
