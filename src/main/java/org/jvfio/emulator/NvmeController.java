package org.jvfio.emulator;

import java.util.List;

/** An NVMe controller behind its registers: enables, resets and shuts down, and processes the commands of its queues. */
final class NvmeController {
    private static final int SHUTDOWN_SHIFT = 14;
    private static final int SHUTDOWN_MASK = 0x3;

    private final DeviceBus bus;
    private final NvmeRegisters registers;
    private final NvmeInterrupts interrupts;
    private final NvmeErrorLog errors = new NvmeErrorLog();
    private final NvmeQueues queues;
    private final NvmeEvents events;
    private final NvmeFeatures features;
    private final NvmeExecution execution;
    private final NvmeFaultPlan faults;
    private final List<NvmeNamespace> namespaces;
    private long resets;

    NvmeController(NvmeConfiguration configuration, List<NvmeNamespace> namespaces, DeviceBus bus) {
        this.bus = bus;
        this.namespaces = namespaces;
        faults = new NvmeFaultPlan(configuration.faults());
        registers = new NvmeRegisters(configuration.queueEntries(), faults.wrongCapabilities());
        interrupts = new NvmeInterrupts(bus, EmulatedNvme.VECTORS);
        queues = new NvmeQueues(bus, interrupts, errors, configuration.queuePairs(), this::fail);
        events = new NvmeEvents(queues);
        NvmeIdentifyData identity = new NvmeIdentifyData(configuration, namespaces);
        features = new NvmeFeatures(identity, queues, EmulatedNvme.VECTORS);
        NvmeLogPages logs = new NvmeLogPages(identity, features, errors, events);
        NvmePrp prp = new NvmePrp(
                bus,
                Math.max(configuration.mostBytes(), NvmeIdentifyData.BYTES),
                NvmeConfiguration.SMALLEST_PAGE,
                NvmeConfiguration.LARGEST_PAGE);
        execution = new NvmeExecution(
                bus,
                queues,
                events,
                identity,
                logs,
                prp,
                new NvmeAdminCommands(bus, configuration, registers, queues, prp, events, identity, features, logs),
                new NvmeIoCommands(bus, configuration, registers, prp, identity, features),
                faults,
                this::fail);
    }

    /** A reset of the function: all as at power on, but for what namespaces hold and what was counted. */
    void powerOn() {
        reset();
        registers.powerOn();
    }

    /** A reset of the controller: queues and what is under way are gone. */
    private void reset() {
        resets++;
        queues.clear();
        events.reset();
        features.reset();
        interrupts.reset();
        registers.status(0);
    }

    /** The controller cannot go on, and says so; it is not ready then, as QEMU's is not. Only a reset helps. */
    private void fail() {
        registers.status(NvmeRegisters.FATAL);
    }

    /** Reads a register of 4 bytes; doorbells read as 0. */
    int read(int offset) {
        return registers.read(offset, interrupts.mask());
    }

    /** Writes a register of 4 bytes. */
    void write(int offset, int value) {
        if (offset >= NvmeRegisters.DOORBELLS) {
            ring((offset - NvmeRegisters.DOORBELLS) >>> 2, value);
        } else {
            switch (offset) {
                case NvmeRegisters.MASK_SET -> interrupts.mask(interrupts.mask() | value);
                case NvmeRegisters.MASK_CLEAR -> interrupts.mask(interrupts.mask() & ~value);
                case NvmeRegisters.CONFIGURATION -> configure(value);
                default -> registers.writeAdminQueues(offset, value);
            }
        }
        queues.raiseInterrupts();
    }

    private void configure(int value) {
        boolean wasEnabled = (registers.configuration() & NvmeRegisters.ENABLE) != 0;
        boolean enable = (value & NvmeRegisters.ENABLE) != 0;
        int shutdownBefore = shutdown(registers.configuration());
        registers.configuration(value);
        if (wasEnabled && !enable) {
            int before = registers.status();
            reset();
            if (faults.isStuck(NvmeFaults.Transition.DISABLE)) {
                registers.status(before & NvmeRegisters.READY);
            }
            return;
        }
        if (!wasEnabled && enable) {
            enable();
        }
        if (shutdown(value) != 0 && shutdownBefore == 0) {
            shutDown();
        }
    }

    private static int shutdown(int configuration) {
        return configuration >>> SHUTDOWN_SHIFT & SHUTDOWN_MASK;
    }

    private void enable() {
        if (!registers.isEnableable()) {
            fail();
            return;
        }
        NvmeCompletionQueue completions =
                new NvmeCompletionQueue(0, registers.adminCompletionQueue(), registers.adminCompletions(), 0, true);
        queues.add(completions);
        queues.add(new NvmeSubmissionQueue(
                0, registers.adminSubmissionQueue(), registers.adminSubmissions(), completions));
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
        registers.status(registers.status() | NvmeRegisters.READY);
    }

    /** Writes what is cached. No command is processed after that until the controller is reset. */
    private void shutDown() {
        for (NvmeNamespace namespace : namespaces) {
            namespace.countStatus(namespace.store().flush());
        }
        boolean stuck = faults.isStuck(NvmeFaults.Transition.SHUTDOWN);
        registers.status(
                registers.status() | (stuck ? NvmeRegisters.SHUTDOWN_OCCURRING : NvmeRegisters.SHUTDOWN_COMPLETE));
    }

    /** A doorbell: those of submission queues and completion queues alternate. */
    private void ring(int doorbell, int value) {
        if (!registers.isRunning()) {
            return;
        }
        int id = doorbell >>> 1;
        if ((doorbell & 1) == 0) {
            NvmeSubmissionQueue queue = queues.submission(id);
            if (queue == null) {
                reportDoorbell(id, NvmeEvents.INVALID_DOORBELL_REGISTER);
            } else if (!queue.submit(value & 0xffff)) {
                reportDoorbell(id, NvmeEvents.INVALID_DOORBELL_VALUE);
            } else {
                process(queue);
            }
        } else {
            NvmeCompletionQueue queue = queues.completion(id);
            if (queue == null) {
                reportDoorbell(id, NvmeEvents.INVALID_DOORBELL_REGISTER);
            } else {
                consume(queue, value & 0xffff);
            }
        }
    }

    private void reportDoorbell(int queue, int information) {
        if (events.isAwaited()) {
            errors.addDoorbell(queue);
            events.raise(NvmeEvents.TYPE_ERROR, information, NvmeLogPages.ERRORS);
        }
    }

    private void consume(NvmeCompletionQueue queue, int head) {
        boolean wasFull = !queue.hasRoom();
        if (!queue.consume(head)) {
            reportDoorbell(queue.id(), NvmeEvents.INVALID_DOORBELL_VALUE);
            return;
        }
        if (wasFull) {
            queues.postWaiting(queue);
            for (int id = 0; id <= queues.pairs(); id++) {
                NvmeSubmissionQueue stopped = queues.submission(id);
                if (stopped != null && stopped.completions() == queue) {
                    process(stopped);
                }
            }
        }
        interrupts.consumed(queue);
    }

    /** Processes the commands of a queue, as long as there is room for their completions. */
    private void process(NvmeSubmissionQueue queue) {
        while (registers.isRunning() && !queue.isEmpty() && queue.completions().hasRoom()) {
            int fetched = queue.fetch(bus);
            if (fetched == 0) {
                fail();
            }
            for (int index = 0;
                    index < fetched
                            && registers.isRunning()
                            && queue.completions().hasRoom();
                    index++) {
                execution.start(queue.take(index));
            }
        }
    }
}
