package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;

/** The commands of the admin queue (NVM Express 1.4, 5). */
final class NvmeAdminCommands {
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

    /** All that there are. */
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
    private final NvmeConfiguration configuration;
    private final NvmeRegisters registers;
    private final NvmeQueues queues;
    private final NvmePrp prp;
    private final NvmeEvents events;
    private final NvmeIdentifyData identity;
    private final NvmeFeatures features;
    private final NvmeLogPages logs;
    private final MemorySegment data = MemorySegment.ofArray(new long[NvmeIdentifyData.BYTES / Long.BYTES]);

    NvmeAdminCommands(
            DeviceBus bus,
            NvmeConfiguration configuration,
            NvmeRegisters registers,
            NvmeQueues queues,
            NvmePrp prp,
            NvmeEvents events,
            NvmeIdentifyData identity,
            NvmeFeatures features,
            NvmeLogPages logs) {
        this.bus = bus;
        this.configuration = configuration;
        this.registers = registers;
        this.queues = queues;
        this.prp = prp;
        this.events = events;
        this.identity = identity;
        this.features = features;
        this.logs = logs;
    }

    /** Executes a command: its status, {@link NvmeStatus#PENDING} if it completes later. */
    int execute(NvmeCommand command) {
        if (command.isFused() || command.usesScatterGather()) {
            return NvmeStatus.INVALID_FIELD;
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
            default -> NvmeStatus.INVALID_OPCODE;
        };
    }

    private static int queueId(NvmeCommand command) {
        return command.dword(10) & 0xffff;
    }

    private int createCompletionQueue(NvmeCommand command) {
        int id = queueId(command);
        int flags = command.dword(11) & 0xffff;
        int vector = command.dword(11) >>> 16;
        int status = queueStatus(command, queues.isValid(id) && queues.completion(id) == null);
        if (status != NvmeStatus.SUCCESS) {
            return status;
        }
        if (vector >= EmulatedNvme.VECTORS || (vector != 0 && !bus.sendsMessages())) {
            return NvmeStatus.INVALID_INTERRUPT_VECTOR;
        }
        int size = (command.dword(10) >>> 16) + 1;
        queues.add(new NvmeCompletionQueue(id, command.prp1(), size, vector, (flags & INTERRUPTS) != 0));
        return NvmeStatus.SUCCESS;
    }

    private int createSubmissionQueue(NvmeCommand command) {
        int id = queueId(command);
        NvmeCompletionQueue completions = queues.completion(command.dword(11) >>> 16);
        if (completions == null || completions.id() == 0) {
            return NvmeStatus.INVALID_COMPLETION_QUEUE;
        }
        int status = queueStatus(command, queues.isValid(id) && queues.submission(id) == null);
        if (status == NvmeStatus.SUCCESS) {
            int size = (command.dword(10) >>> 16) + 1;
            queues.add(new NvmeSubmissionQueue(id, command.prp1(), size, completions));
        }
        return status;
    }

    /** What is wrong with a queue that the host wants to create. */
    private int queueStatus(NvmeCommand command, boolean idIsFree) {
        int size = (command.dword(10) >>> 16) + 1;
        if (!idIsFree) {
            return NvmeStatus.INVALID_QUEUE_ID;
        }
        if (!registers.hasEntrySizes() || size < 2 || size > registers.queueEntries()) {
            return NvmeStatus.INVALID_QUEUE_SIZE;
        }
        if ((command.prp1() & (registers.pageBytes() - 1)) != 0) {
            return NvmeStatus.INVALID_PRP_OFFSET;
        }
        return (command.dword(11) & CONTIGUOUS) == 0 ? NvmeStatus.INVALID_FIELD : NvmeStatus.SUCCESS;
    }

    private int deleteSubmissionQueue(NvmeCommand command) {
        NvmeSubmissionQueue queue = queues.submission(queueId(command));
        if (queue == null || queue.isAdmin()) {
            return NvmeStatus.INVALID_QUEUE_ID;
        }
        queues.remove(queue);
        return NvmeStatus.SUCCESS;
    }

    private int deleteCompletionQueue(NvmeCommand command) {
        NvmeCompletionQueue queue = queues.completion(queueId(command));
        if (queue == null || queue.id() == 0) {
            return NvmeStatus.INVALID_QUEUE_ID;
        }
        if (queue.submissionQueues() > 0) {
            return NvmeStatus.INVALID_QUEUE_DELETION;
        }
        queues.remove(queue);
        return NvmeStatus.SUCCESS;
    }

    private int identify(NvmeCommand command) {
        data.fill((byte) 0);
        int status = identity.fill(command, data);
        return status == NvmeStatus.SUCCESS ? send(command, 0, NvmeIdentifyData.BYTES) : status;
    }

    private int getLogPage(NvmeCommand command) {
        int page = command.dword(10) & 0xff;
        int bytes = NvmeLogPages.bytes(page);
        long dwords = Integer.toUnsignedLong(command.dword(11) << 16 | command.dword(10) >>> 16) + 1;
        long offset = command.qword(12);
        if (bytes == 0) {
            return NvmeStatus.INVALID_LOG_PAGE;
        }
        long length = dwords * Integer.BYTES;
        if (length > configuration.mostBytes()
                || (offset & (Integer.BYTES - 1)) != 0
                || Long.compareUnsigned(offset, bytes) >= 0) {
            return NvmeStatus.INVALID_FIELD;
        }
        data.fill((byte) 0);
        int status = logs.fill(page, command.namespace(), data);
        if (status == NvmeStatus.SUCCESS) {
            status = send(command, offset, Math.min(length, bytes - offset));
        }
        if (status == NvmeStatus.SUCCESS && (command.dword(10) & RETAIN_EVENT) == 0) {
            logs.read(page);
        }
        return status;
    }

    private int send(NvmeCommand command, long offset, long bytes) {
        int status = prp.map(command, bytes, registers.pageBytes());
        return status == NvmeStatus.SUCCESS ? prp.writeMemory(data, offset, bytes) : status;
    }

    /** What was executed at once cannot be aborted any more; what takes time, or waits for an event, can. */
    private int abort(NvmeCommand command) {
        NvmeSubmissionQueue queue = queues.submission(queueId(command));
        int target = command.dword(10) >>> 16;
        command.result(NOT_ABORTED);
        if (queue == null) {
            return NvmeStatus.INVALID_FIELD;
        }
        NvmeCommand inFlight = queue.inFlight(target);
        if (inFlight != null && inFlight.isAbortable()) {
            queue.inFlight().remove(inFlight);
            queues.complete(inFlight, NvmeStatus.ABORTED_BY_REQUEST);
            command.result(0);
        } else if (queue.isAdmin() && events.abort(target)) {
            command.result(0);
        }
        return NvmeStatus.SUCCESS;
    }
}
