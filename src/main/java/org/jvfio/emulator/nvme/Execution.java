package org.jvfio.emulator.nvme;

import java.time.Duration;
import java.util.List;
import org.jvfio.emulator.device.DeviceBus;
import org.jvfio.emulator.nvme.NvmeFault.Effect;

/** Executes the commands of a controller: at once, unless its faults change that. */
final class Execution {
    private final DeviceBus bus;
    private final Queues queues;
    private final Events events;
    private final NamespaceList namespaces;
    private final LogPages logs;
    private final Prp prp;
    private final AdminCommands adminCommands;
    private final IoCommands ioCommands;
    private final FaultPlan faults;
    private final Runnable fatal;
    private final Runnable hang;

    Execution(
            DeviceBus bus,
            Queues queues,
            Events events,
            NamespaceList namespaces,
            LogPages logs,
            Prp prp,
            AdminCommands adminCommands,
            IoCommands ioCommands,
            FaultPlan faults,
            Runnable fatal,
            Runnable hang) {
        this.bus = bus;
        this.queues = queues;
        this.events = events;
        this.namespaces = namespaces;
        this.logs = logs;
        this.prp = prp;
        this.adminCommands = adminCommands;
        this.ioCommands = ioCommands;
        this.faults = faults;
        this.fatal = fatal;
        this.hang = hang;
    }

    /** Prepares for a command of an I/O queue that is about to start. */
    void readAhead(Command command) {
        ioCommands.readAhead(command);
    }

    /** Starts a command that was fetched from its queue; most complete before this returns. */
    void start(Command command) {
        if (isInUse(command)) {
            queues.complete(command, Status.COMMAND_ID_CONFLICT);
        } else if (exceedsAbortLimit(command)) {
            queues.complete(command, Status.ABORT_COMMAND_LIMIT_EXCEEDED);
        } else if (faults.hasFaults()) {
            startWith(faults.effects(command), command);
        } else {
            finish(command, execute(command));
        }
    }

    /** Whether another command of the queue in flight has the same identifier. */
    private boolean isInUse(Command command) {
        SubmissionQueue queue = command.queue();
        return queue.inFlight(command.id()) != null || (queue.isAdmin() && events.hasRequest(command.id()));
    }

    private boolean exceedsAbortLimit(Command command) {
        SubmissionQueue queue = command.queue();
        return queue.isAdmin()
                && command.opcode() == AdminCommands.ABORT
                && queue.inFlight().stream()
                                .filter(each -> each.opcode() == AdminCommands.ABORT)
                                .count()
                        >= IdentifyController.ABORT_LIMIT;
    }

    private int execute(Command command) {
        return command.queue().isAdmin() ? adminCommands.execute(command) : ioCommands.execute(command);
    }

    private void finish(Command command, int status) {
        if (status != Status.PENDING) {
            queues.complete(command, status);
        }
    }

    private void startWith(List<Effect> effects, Command command) {
        boolean waits = !(command.queue().isAdmin() && command.opcode() == AdminCommands.ASYNC_EVENT_REQUEST);
        Duration delay = Duration.ZERO;
        for (Effect effect : effects) {
            switch (effect) {
                case Effect.Fatal() -> {
                    fatal.run();
                    return;
                }
                case Effect.Hung() -> {
                    hang.run();
                    return;
                }
                case Effect.Stalled() -> {
                    command.queue().stall();
                    return;
                }
                case Effect.Lost(boolean abortable) -> {
                    Command lost = command.kept();
                    lost.abortable(abortable);
                    command.queue().inFlight().add(lost);
                    return;
                }
                case Effect.Delay drawn -> delay = waits ? delay.plus(faults.draw(drawn)) : delay;
                default -> {
                    // Applied when the command is executed.
                }
            }
        }
        if (delay.isZero()) {
            finishWith(effects, command);
            return;
        }
        Command kept = command.kept();
        kept.queue().inFlight().add(kept);
        bus.after(delay, () -> {
            // It is gone if it was aborted, or its queue was deleted or reset.
            if (kept.queue().inFlight().remove(kept)) {
                finishWith(effects, kept);
                queues.raiseInterrupts();
            }
        });
    }

    private void finishWith(List<Effect> effects, Command command) {
        prp.clear();
        int status = statusOf(effects);
        if (status == Status.SUCCESS) {
            status = execute(command);
        }
        for (Effect effect : effects) {
            switch (effect) {
                case Effect.DataBits(int count) -> flipData(command, count);
                case Effect.CompletionBits bits -> flipCompletion(command, bits);
                case Effect.Scribble(int entries) -> queues.scribble(command.queue(), entries, faults::any);
                case Effect.Doubled() -> finish(command, status);
                case Effect.LostInterrupt() -> {
                    if (status != Status.PENDING) {
                        command.queue().completions().quietNext();
                    }
                }
                default -> {
                    // Already applied, or applied after the completion.
                }
            }
        }
        finish(command, status);
        for (Effect effect : effects) {
            if (effect instanceof Effect.Temperature(int kelvin)) {
                logs.temperature(kelvin);
            } else if (effect instanceof Effect.Attachment(int id, boolean attached)) {
                Namespace namespace = namespaces.allocated(id);
                if (namespace != null) {
                    namespace.attached(attached);
                    logs.namespaceChanged(id);
                }
            }
        }
    }

    private static int statusOf(List<Effect> effects) {
        int status = Status.SUCCESS;
        for (Effect effect : effects) {
            if (effect instanceof Effect.Status(int type, int code, boolean retry)) {
                status = (retry ? 0 : Status.DO_NOT_RETRY) | type << Byte.SIZE | code;
            }
        }
        return status;
    }

    private void flipData(Command command, int count) {
        long bytes = prp.bytes();
        for (int flipped = 0; flipped < count && command.givesData() && bytes > 0; flipped++) {
            prp.flip(faults.below(bytes), 1 << faults.below(Byte.SIZE));
        }
    }

    private void flipCompletion(Command command, Effect.CompletionBits bits) {
        for (int flipped = 0; flipped < bits.count(); flipped++) {
            command.queue().completions().flipNext(bits.first() + (int) faults.below(bits.length()));
        }
    }
}
