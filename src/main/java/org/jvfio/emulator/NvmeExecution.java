package org.jvfio.emulator;

import java.time.Duration;
import java.util.List;
import org.jvfio.emulator.NvmeFault.Effect;

/** How the commands of a controller are executed: at once, but for what its faults do to them. */
final class NvmeExecution {
    private final DeviceBus bus;
    private final NvmeQueues queues;
    private final NvmeEvents events;
    private final NvmeIdentifyData identity;
    private final NvmeLogPages logs;
    private final NvmePrp prp;
    private final NvmeAdminCommands adminCommands;
    private final NvmeIoCommands ioCommands;
    private final NvmeFaultPlan faults;
    private final Runnable fatal;

    NvmeExecution(
            DeviceBus bus,
            NvmeQueues queues,
            NvmeEvents events,
            NvmeIdentifyData identity,
            NvmeLogPages logs,
            NvmePrp prp,
            NvmeAdminCommands adminCommands,
            NvmeIoCommands ioCommands,
            NvmeFaultPlan faults,
            Runnable fatal) {
        this.bus = bus;
        this.queues = queues;
        this.events = events;
        this.identity = identity;
        this.logs = logs;
        this.prp = prp;
        this.adminCommands = adminCommands;
        this.ioCommands = ioCommands;
        this.faults = faults;
        this.fatal = fatal;
    }

    /** Starts a command that was taken from its queue; most are complete after that. */
    void start(NvmeCommand command) {
        if (isInUse(command)) {
            queues.complete(command, NvmeStatus.COMMAND_ID_CONFLICT);
        } else if (exceedsAbortLimit(command)) {
            queues.complete(command, NvmeStatus.ABORT_LIMIT_EXCEEDED);
        } else if (faults.hasFaults()) {
            startWith(faults.effects(command), command);
        } else {
            finish(command, execute(command));
        }
    }

    /** Whether another command of the queue that is under way has the same identifier. */
    private boolean isInUse(NvmeCommand command) {
        NvmeSubmissionQueue queue = command.queue();
        return queue.inFlight(command.id()) != null || (queue.isAdmin() && events.hasRequest(command.id()));
    }

    private boolean exceedsAbortLimit(NvmeCommand command) {
        NvmeSubmissionQueue queue = command.queue();
        return queue.isAdmin()
                && command.opcode() == NvmeAdminCommands.ABORT
                && queue.inFlight().stream()
                                .filter(each -> each.opcode() == NvmeAdminCommands.ABORT)
                                .count()
                        >= NvmeIdentifyData.ABORT_LIMIT;
    }

    private int execute(NvmeCommand command) {
        return command.queue().isAdmin() ? adminCommands.execute(command) : ioCommands.execute(command);
    }

    private void finish(NvmeCommand command, int status) {
        if (status != NvmeStatus.PENDING) {
            queues.complete(command, status);
        }
    }

    private void startWith(List<Effect> effects, NvmeCommand command) {
        boolean waits = !(command.queue().isAdmin() && command.opcode() == NvmeAdminCommands.ASYNC_EVENT_REQUEST);
        Duration delay = Duration.ZERO;
        for (Effect effect : effects) {
            switch (effect) {
                case Effect.Fatal() -> {
                    fatal.run();
                    return;
                }
                case Effect.Lost(boolean abortable) -> {
                    NvmeCommand lost = command.kept();
                    lost.abortable(abortable);
                    command.queue().inFlight().add(lost);
                    return;
                }
                case Effect.Delay drawn -> delay = waits ? delay.plus(faults.draw(drawn)) : delay;
                default -> {
                    // It happens when the command is executed.
                }
            }
        }
        if (delay.isZero()) {
            finishWith(effects, command);
            return;
        }
        NvmeCommand kept = command.kept();
        kept.queue().inFlight().add(kept);
        bus.after(delay, () -> {
            // It is not there any more if it was aborted, or its queue was deleted or reset.
            if (kept.queue().inFlight().remove(kept)) {
                finishWith(effects, kept);
                queues.raiseInterrupts();
            }
        });
    }

    private void finishWith(List<Effect> effects, NvmeCommand command) {
        prp.clear();
        int status = statusOf(effects);
        if (status == NvmeStatus.SUCCESS) {
            status = execute(command);
        }
        for (Effect effect : effects) {
            switch (effect) {
                case Effect.DataBits(int count) -> flipData(command, count);
                case Effect.CompletionBits(int count) -> flipCompletion(command, count);
                case Effect.Doubled() -> finish(command, status);
                default -> {
                    // It has happened, or happens after the completion.
                }
            }
        }
        finish(command, status);
        for (Effect effect : effects) {
            if (effect instanceof Effect.Temperature(int kelvin)) {
                logs.temperature(kelvin);
            } else if (effect instanceof Effect.Attachment(int namespace, boolean attached)
                    && identity.attach(namespace, attached)) {
                logs.namespaceChanged(namespace);
            }
        }
    }

    private static int statusOf(List<Effect> effects) {
        int status = NvmeStatus.SUCCESS;
        for (Effect effect : effects) {
            if (effect instanceof Effect.Status(int type, int code, boolean retry)) {
                status = (retry ? 0 : NvmeStatus.DO_NOT_RETRY) | type << Byte.SIZE | code;
            }
        }
        return status;
    }

    private void flipData(NvmeCommand command, int count) {
        long bytes = prp.bytes();
        for (int flipped = 0; flipped < count && command.givesData() && bytes > 0; flipped++) {
            prp.flip(faults.below(bytes), 1 << faults.below(Byte.SIZE));
        }
    }

    /** Any bits of the entry, with the same chance for each of its halves. */
    private void flipCompletion(NvmeCommand command, int count) {
        for (int flipped = 0; flipped < count; flipped++) {
            long bit = 1L << faults.below(Long.SIZE);
            boolean second = faults.below(2) == 1;
            command.queue().completions().flipNext(second ? 0 : bit, second ? bit : 0);
        }
    }
}
