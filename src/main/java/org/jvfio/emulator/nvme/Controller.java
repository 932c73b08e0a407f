package org.jvfio.emulator.nvme;

import org.jvfio.emulator.device.DeviceBus;

/** An NVMe controller: its enable, reset and shutdown, and the processing of its queues. */
final class Controller {
    private static final int SHUTDOWN_SHIFT = 14;
    private static final int SHUTDOWN_MASK = 0x3;
    private static final int WHOLE_QUEUE_ENTRIES = 64;

    private final DeviceBus bus;
    private final Registers registers;
    private final Interrupts interrupts;
    private final ErrorLog errors;
    private final Queues queues;
    private final Events events;
    private final Features features;
    private final Execution execution;
    private final FaultPlan faults;
    private final Configuration configuration;
    private final OddState odd;
    private final NamespaceList namespaces;
    private final ReportedLimits limits;
    private long resets;
    private final boolean worksAfterShutdown;
    private final int doorbellShift;
    private boolean hung;

    Controller(Configuration configuration, NamespaceList namespaces, DeviceBus bus) {
        this.bus = bus;
        this.configuration = configuration;
        this.namespaces = namespaces;
        worksAfterShutdown = configuration.has(Deviation.WORKS_AFTER_SHUTDOWN);
        doorbellShift = 2 + configuration.limits().doorbellStride();
        faults = new FaultPlan(configuration.faults());
        registers = new Registers(configuration, faults.wrongCapabilities());
        odd = new OddState(bus, configuration.oddities());
        errors = new ErrorLog(!configuration.has(Deviation.NO_ERROR_LOG));
        interrupts = new Interrupts(bus, configuration.interruptVectors(), configuration.oddities());
        queues = new Queues(bus, interrupts, errors, configuration.limits().queuePairs(), this::fail);
        events = new Events(queues, configuration);
        limits = new ReportedLimits(configuration);
        limits.attached(namespaces);
        IdentifyData identity = new IdentifyData(configuration, namespaces, limits);
        Prp prp = new Prp(bus, configuration);
        DataFeatures dataFeatures = new DataFeatures(prp, registers);
        features = new Features(configuration, namespaces, queues, dataFeatures);
        LogPages logs = new LogPages(configuration, namespaces, features, errors, events);
        ManagementCommands management = new ManagementCommands(configuration, registers, prp, namespaces, limits, logs);
        execution = new Execution(
                bus,
                queues,
                events,
                namespaces,
                logs,
                prp,
                new AdminCommands(
                        bus, configuration, registers, queues, prp, events, management, identity, features, logs, odd),
                new IoCommands(bus, configuration, registers, prp, namespaces, features, odd),
                faults,
                this::fail,
                this::hang);
    }

    /** A function reset: all state is as at power on, except for the namespaces' data and the counters. */
    void powerOn() {
        if (!hung) {
            reset();
            registers.powerOn();
            odd.powerOn();
        }
    }

    /** A controller reset: deletes the queues and the commands in flight. */
    private void reset() {
        resets++;
        queues.clear();
        events.reset();
        features.reset();
        interrupts.reset();
        registers.status(0);
    }

    /** The controller fails (CSTS.CFS) until it is reset. It is not ready then, like QEMU's. */
    private void fail() {
        registers.status(Registers.FATAL);
    }

    /** The controller hangs permanently, whatever the host does. */
    private void hang() {
        hung = true;
        queues.clear();
    }

    private boolean isRunning() {
        boolean works = worksAfterShutdown ? registers.isReady() : registers.isRunning();
        return works && !hung;
    }

    /** Reads a 4-byte register; doorbells read as 0. */
    int read(int offset) {
        if (odd.isSilent()) {
            return -1;
        }
        if (offset == Registers.STATUS && odd.isSettling()) {
            registers.status(Registers.READY);
            hang();
        }
        int value = registers.read(offset, interrupts.mask());
        return offset == Registers.STATUS ? value ^ faults.wrongStatus() : value;
    }

    /** Writes a 4-byte register. */
    void write(int offset, int value) {
        if (hung || odd.isSilent()) {
            return;
        }
        if (offset >= Registers.DOORBELLS) {
            if ((offset & (1 << doorbellShift) - 1) == 0) {
                ring((offset - Registers.DOORBELLS) >>> doorbellShift, value);
            }
        } else {
            switch (offset) {
                case Registers.MASK_SET -> interrupts.mask(interrupts.mask() | value);
                case Registers.MASK_CLEAR -> interrupts.mask(interrupts.mask() & ~value);
                case Registers.CONFIGURATION -> configure(value);
                default -> registers.writeAdminQueues(offset, value);
            }
        }
        queues.raiseInterrupts();
    }

    private void configure(int value) {
        boolean wasEnabled = (registers.configuration() & Registers.ENABLE) != 0;
        boolean enable = (value & Registers.ENABLE) != 0;
        int shutdownBefore = shutdown(registers.configuration());
        registers.configuration(value);
        if (wasEnabled && !enable) {
            int before = registers.status();
            reset();
            if (configuration.has(Deviation.RESET_CLEARS_CONFIGURATION)) {
                registers.configuration(0);
            }
            odd.disabled();
            if (faults.isStuck(NvmeFaults.Transition.DISABLE)) {
                registers.status(before & Registers.READY);
            }
            return;
        }
        if (!wasEnabled && enable) {
            enable();
        }
        if (shutdown(value) != 0 && shutdownBefore == 0) {
            shutDown();
        } else if (shutdown(value) == 0 && shutdownBefore != 0 && worksAfterShutdown) {
            registers.status(registers.status() & ~(Registers.SHUTDOWN_OCCURRING | Registers.SHUTDOWN_COMPLETE));
        }
    }

    private static int shutdown(int configuration) {
        return configuration >>> SHUTDOWN_SHIFT & SHUTDOWN_MASK;
    }

    private void enable() {
        boolean isTooShort =
                odd.has(DriveOddity.NEEDS_WHOLE_ADMIN_QUEUE) && registers.adminSubmissions() % WHOLE_QUEUE_ENTRIES != 0;
        if (isTooShort || !registers.isEnableable()) {
            fail();
            return;
        }
        odd.enabled();
        for (Namespace namespace : namespaces.all()) {
            namespace.enable(registers.hasAllCommandSets());
            if (configuration.has(Deviation.MORE_COMMANDS)) {
                namespace.reattach();
            }
        }
        limits.attached(namespaces);
        CompletionQueue completions =
                new CompletionQueue(0, registers.adminCompletionQueue(), registers.adminCompletions(), 0, true);
        queues.add(completions);
        queues.add(new SubmissionQueue(0, registers.adminSubmissionQueue(), registers.adminSubmissions(), completions));
        if (faults.isStuck(NvmeFaults.Transition.ENABLE)) {
            return;
        }
        if (faults.readyDelay().isZero()) {
            getReady();
        } else {
            long since = resets;
            bus.after(faults.readyDelay(), () -> {
                if (resets == since) {
                    getReady();
                }
            });
        }
    }

    private void getReady() {
        registers.status(registers.status() | Registers.READY);
    }

    /** Flushes the cache. No command is processed after that until the controller is reset. */
    private void shutDown() {
        namespaces.all().forEach(Namespace::flush);
        boolean stuck = faults.isStuck(NvmeFaults.Transition.SHUTDOWN);
        registers.status(registers.status() | (stuck ? Registers.SHUTDOWN_OCCURRING : Registers.SHUTDOWN_COMPLETE));
    }

    /** A doorbell; the doorbells of submission and completion queues alternate. */
    private void ring(int doorbell, int value) {
        if (!isRunning()) {
            return;
        }
        int id = doorbell >>> 1;
        if ((doorbell & 1) == 0) {
            SubmissionQueue queue = queues.submission(id);
            if (queue == null) {
                reportDoorbell(id, Events.INVALID_DOORBELL_REGISTER);
            } else if (queue.isSettling()) {
                queue.stall();
            } else if (!queue.submit(value & 0xffff)) {
                reportDoorbell(id, Events.INVALID_DOORBELL_VALUE);
            } else {
                process(queue);
            }
        } else {
            CompletionQueue queue = queues.completion(id);
            if (queue == null) {
                reportDoorbell(id, Events.INVALID_DOORBELL_REGISTER);
            } else {
                consume(queue, value & 0xffff);
            }
        }
    }

    private void reportDoorbell(int queue, int information) {
        if (events.isAwaited()) {
            errors.addDoorbell(queue);
            events.raise(Events.TYPE_ERROR, information, LogPages.ERRORS);
        }
    }

    private void consume(CompletionQueue queue, int head) {
        boolean wasFull = !queue.hasRoom();
        if (!queue.consume(head)) {
            reportDoorbell(queue.id(), Events.INVALID_DOORBELL_VALUE);
            return;
        }
        if (wasFull) {
            queues.postWaiting(queue);
            for (int id = 0; id <= queues.pairs(); id++) {
                SubmissionQueue stopped = queues.submission(id);
                if (stopped != null && stopped.completions() == queue) {
                    process(stopped);
                }
            }
        }
        interrupts.consumed(queue);
    }

    /** Processes the commands of a queue while there are free slots for their completions. */
    private void process(SubmissionQueue queue) {
        while (isRunning() && queue.canStart()) {
            int fetched = queue.fetch(bus);
            if (fetched == 0) {
                fail();
            }
            if (!queue.isAdmin()) {
                for (int index = 0; index < fetched; index++) {
                    execution.readAhead(queue.peek(index));
                }
            }
            for (int index = 0; index < fetched && isRunning() && queue.canStart(); index++) {
                execution.start(queue.take(index));
            }
        }
    }
}
