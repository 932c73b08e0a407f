package org.jvfio.emulator.nvme;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import org.jvfio.emulator.device.DeviceBus;

/** The commands of the admin queue (NVM Express 1.4, 5). */
final class AdminCommands {
    private static final int DELETE_SUBMISSION_QUEUE = 0x00;
    private static final int CREATE_SUBMISSION_QUEUE = 0x01;
    private static final int GET_LOG_PAGE = 0x02;
    private static final int DELETE_COMPLETION_QUEUE = 0x04;
    private static final int CREATE_COMPLETION_QUEUE = 0x05;
    private static final int IDENTIFY = 0x06;
    static final int ABORT = 0x08;
    private static final int SET_FEATURES = 0x09;
    private static final int GET_FEATURES = 0x0a;
    static final int ASYNC_EVENT_REQUEST = 0x0c;

    /** The supported commands. */
    static final int[] OPCODES = {
        DELETE_SUBMISSION_QUEUE,
        CREATE_SUBMISSION_QUEUE,
        GET_LOG_PAGE,
        DELETE_COMPLETION_QUEUE,
        CREATE_COMPLETION_QUEUE,
        IDENTIFY,
        ABORT,
        SET_FEATURES,
        GET_FEATURES,
        ASYNC_EVENT_REQUEST
    };

    private static final int CONTIGUOUS = 1;
    private static final int INTERRUPTS = 1 << 1;
    private static final int RETAIN_EVENT = 1 << 15;
    private static final int NOT_ABORTED = 1;

    private final DeviceBus bus;
    private final Configuration configuration;
    private final Registers registers;
    private final Queues queues;
    private final Prp prp;
    private final Events events;
    private final IdentifyData identity;
    private final ManagementCommands management;
    private final Features features;
    private final LogPages logs;
    private final OddState odd;
    private final boolean isQemu;
    private final MemorySegment data = MemorySegment.ofArray(new long[IdentifyData.BYTES / Long.BYTES]);

    AdminCommands(
            DeviceBus bus,
            Configuration configuration,
            Registers registers,
            Queues queues,
            Prp prp,
            Events events,
            ManagementCommands management,
            IdentifyData identity,
            Features features,
            LogPages logs,
            OddState odd) {
        this.bus = bus;
        this.configuration = configuration;
        this.registers = registers;
        this.queues = queues;
        this.prp = prp;
        this.events = events;
        this.identity = identity;
        this.features = features;
        this.logs = logs;
        this.odd = odd;
        this.management = management;
        isQemu = configuration.has(Deviation.MORE_COMMANDS);
    }

    /** Executes a command and returns its status; {@link Status#PENDING} if it completes later. */
    int execute(Command command) {
        boolean isManagement = isQemu && ManagementCommands.isKnown(command.opcode());
        if (isQemu && !isManagement && !isKnown(command.opcode())) {
            return Status.INVALID_COMMAND_OPCODE;
        }
        if (command.isFused() || command.usesScatterGather()) {
            return refusal(command);
        }
        if (isManagement) {
            return management.execute(command);
        }
        return switch (command.opcode()) {
            case DELETE_SUBMISSION_QUEUE -> deleteSubmissionQueue(command);
            case CREATE_SUBMISSION_QUEUE -> createSubmissionQueue(command);
            case GET_LOG_PAGE -> getLogPage(command);
            case DELETE_COMPLETION_QUEUE -> deleteCompletionQueue(command);
            case CREATE_COMPLETION_QUEUE -> createCompletionQueue(command);
            case IDENTIFY -> identify(command);
            case ABORT -> abort(command);
            case SET_FEATURES -> {
                int status = features.set(command);
                logs.warnOfTemperature();
                yield status;
            }
            case GET_FEATURES -> features.get(command);
            case ASYNC_EVENT_REQUEST -> events.request(command);
            default -> Status.INVALID_COMMAND_OPCODE;
        };
    }

    private static boolean isKnown(int opcode) {
        return Arrays.stream(OPCODES).anyMatch(each -> each == opcode);
    }

    /** The status of a fused operation, or of one with SGLs. */
    private int refusal(Command command) {
        boolean retryable = configuration.has(Deviation.FUSED_MAY_BE_RETRIED) && !command.usesScatterGather();
        return retryable ? Status.INVALID_FIELD_IN_COMMAND & ~Status.DO_NOT_RETRY : Status.INVALID_FIELD_IN_COMMAND;
    }

    private static int queueId(Command command) {
        return command.dword(10) & 0xffff;
    }

    private int createCompletionQueue(Command command) {
        int id = queueId(command);
        int flags = command.dword(11) & 0xffff;
        int vector = command.dword(11) >>> 16;
        boolean vectorFirst = configuration.has(Deviation.VECTOR_BEFORE_CONTIGUOUS);
        if (vectorFirst && !registers.hasEntrySizes()) {
            return Status.INVALID_QUEUE_SIZE;
        }
        int status = queueStatus(command, queues.isValid(id) && queues.completion(id) == null);
        boolean refusesFlags = vectorFirst && status == Status.INVALID_FIELD_IN_COMMAND;
        if (status != Status.SUCCESS && !refusesFlags) {
            return status;
        }
        if (vector >= enabledVectors()) {
            return Status.INVALID_INTERRUPT_VECTOR;
        }
        if (refusesFlags) {
            return status;
        }
        int size = (command.dword(10) >>> 16) + 1;
        queues.add(new CompletionQueue(id, command.prp1(), size, vector, (flags & INTERRUPTS) != 0));
        return Status.SUCCESS;
    }

    /** INTx counts as one vector. */
    private int enabledVectors() {
        if (!bus.sendsMessages()) {
            return 1;
        }
        return bus.sendsMsix() ? configuration.vectors() : configuration.messages();
    }

    private int createSubmissionQueue(Command command) {
        int id = queueId(command);
        CompletionQueue completions = queues.completion(command.dword(11) >>> 16);
        if (completions == null || completions.id() == 0) {
            return Status.COMPLETION_QUEUE_INVALID;
        }
        int status = queueStatus(command, queues.isValid(id) && queues.submission(id) == null);
        if (status == Status.SUCCESS) {
            int size = (command.dword(10) >>> 16) + 1;
            SubmissionQueue queue = new SubmissionQueue(id, command.prp1(), size, completions);
            queues.add(queue);
            odd.created(queue);
        }
        return status;
    }

    /** The status of a request to create a queue. */
    private int queueStatus(Command command, boolean idIsFree) {
        int size = (command.dword(10) >>> 16) + 1;
        if (!idIsFree) {
            return Status.INVALID_QUEUE_IDENTIFIER;
        }
        boolean hasSizes = registers.hasEntrySizes() || configuration.has(Deviation.VECTOR_BEFORE_CONTIGUOUS);
        if (!hasSizes || size < 2 || size > registers.queueEntries()) {
            return Status.INVALID_QUEUE_SIZE;
        }
        if ((command.prp1() & (registers.pageBytes() - 1)) != 0) {
            return Status.PRP_OFFSET_INVALID;
        }
        return (command.dword(11) & CONTIGUOUS) == 0 ? Status.INVALID_FIELD_IN_COMMAND : Status.SUCCESS;
    }

    private int deleteSubmissionQueue(Command command) {
        SubmissionQueue queue = queues.submission(queueId(command));
        if (queue == null || queue.isAdmin()) {
            return Status.INVALID_QUEUE_IDENTIFIER;
        }
        queues.remove(queue);
        return Status.SUCCESS;
    }

    private int deleteCompletionQueue(Command command) {
        CompletionQueue queue = queues.completion(queueId(command));
        if (queue == null || queue.id() == 0) {
            return configuration.has(Deviation.DELETED_QUEUE_IS_INVALID_COMPLETION_QUEUE)
                    ? Status.COMPLETION_QUEUE_INVALID
                    : Status.INVALID_QUEUE_IDENTIFIER;
        }
        if (queue.submissionQueues() > 0) {
            return Status.INVALID_QUEUE_DELETION;
        }
        queues.remove(queue);
        return Status.SUCCESS;
    }

    private int identify(Command command) {
        data.fill((byte) 0);
        int status = identity.fill(command, data);
        return status == Status.SUCCESS ? send(command, 0, IdentifyData.BYTES) : status;
    }

    private int getLogPage(Command command) {
        int page = command.dword(10) & 0xff;
        int bytes = logs.bytes(page);
        long dwords = Integer.toUnsignedLong(command.dword(11) << 16 | command.dword(10) >>> 16) + 1;
        long offset = command.qword(12);
        if (bytes == 0) {
            return configuration.has(Deviation.UNKNOWN_LOG_IS_INVALID_FIELD)
                    ? Status.INVALID_FIELD_IN_COMMAND
                    : Status.INVALID_LOG_PAGE;
        }
        long length = dwords * Integer.BYTES;
        if (length > configuration.limitBytes(configuration.limits().mdts(), registers.pageBytes())
                || (offset & (Integer.BYTES - 1)) != 0
                || Long.compareUnsigned(offset, bytes) >= 0) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        data.fill((byte) 0);
        int status = logs.fill(page, command.namespace(), data);
        if (status == Status.SUCCESS) {
            status = send(command, offset, Math.min(length, bytes - offset));
        }
        if (status == Status.SUCCESS && (command.dword(10) & RETAIN_EVENT) == 0) {
            logs.read(page);
        }
        return status;
    }

    private int send(Command command, long offset, long bytes) {
        int status = prp.map(command, bytes, registers.pageBytes());
        return status == Status.SUCCESS ? prp.writeMemory(data, offset, bytes) : status;
    }

    /** Commands that execute at once cannot be aborted; delayed ones and outstanding event requests can. */
    private int abort(Command command) {
        SubmissionQueue queue = queues.submission(queueId(command));
        int target = command.dword(10) >>> 16;
        command.result(NOT_ABORTED);
        if (queue == null) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        Command inFlight = queue.inFlight(target);
        if (inFlight != null && inFlight.isAbortable()) {
            queue.inFlight().remove(inFlight);
            queues.complete(inFlight, Status.COMMAND_ABORT_REQUESTED);
            command.result(0);
        } else if (queue.isAdmin() && events.abort(target)) {
            command.result(0);
        }
        return Status.SUCCESS;
    }
}
