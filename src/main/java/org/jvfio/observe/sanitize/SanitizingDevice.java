package org.jvfio.observe.sanitize;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.EmulatedHost;
import org.jvfio.emulator.FailedDma;
import org.jvfio.emulator.device.DeviceBus;
import org.jvfio.emulator.device.EmulatedDevice;
import org.jvfio.emulator.device.ForwardingDevice;
import org.jvfio.observe.sanitize.Finding.Kind;
import org.jvfio.observe.sanitize.Resources.Descriptor;
import org.jvfio.observe.sanitize.Resources.Mapped;

/** An emulated device whose registers, DMA and interrupts are watched. The host's lock is held in its methods. */
final class SanitizingDevice extends ForwardingDevice {
    private final String address;
    private final State state;
    private final Supplier<@Nullable EmulatedHost> emulated;
    private @Nullable FailedDma lastFailed;

    SanitizingDevice(EmulatedDevice behind, String address, State state, Supplier<@Nullable EmulatedHost> emulated) {
        super(behind);
        this.address = address;
        this.state = state;
        this.emulated = emulated;
    }

    private void check(String access, int bar, long offset, int size) {
        if (isReserved(bar, offset, size)) {
            state.findings()
                    .add(
                            Kind.RESERVED_REGISTER,
                            "%s of %d bytes at 0x%x of BAR %d of %s, where no register has that width"
                                    .formatted(access, size, offset, bar, address),
                            Site.here("accessed"));
        }
    }

    @Override
    public long read(int bar, long offset, int size) {
        check("read", bar, offset, size);
        return super.read(bar, offset, size);
    }

    @Override
    public void write(int bar, long offset, int size, long value) {
        check("write", bar, offset, size);
        super.write(bar, offset, size, value);
    }

    @Override
    protected DeviceBus bus(DeviceBus hostBus) {
        return new WatchedBus(hostBus);
    }

    private final class WatchedBus extends ForwardingBus {
        private WatchedBus(DeviceBus behind) {
            super(behind);
        }

        @Override
        public boolean readMemory(long busAddress, MemorySegment into, long offset, long length) {
            boolean done = super.readMemory(busAddress, into, offset, length);
            transferred(done, busAddress, into, offset, length, false);
            return done;
        }

        @Override
        public boolean writeMemory(long busAddress, MemorySegment from, long offset, long length) {
            boolean done = super.writeMemory(busAddress, from, offset, length);
            transferred(done, busAddress, from, offset, length, true);
            return done;
        }

        @Override
        public void sendMessage(int vector) {
            state.interrupts(interrupts -> interrupts.message(address, vector));
            super.sendMessage(vector);
        }

        @Override
        public void setLine(boolean asserted) {
            state.interrupts(interrupts -> interrupts.line(address, asserted));
            super.setLine(asserted);
        }
    }

    private void transferred(
            boolean done, long busAddress, MemorySegment data, long offset, long length, boolean toMemory) {
        FailedDma failed = newestFailure();
        if (failed != null) {
            report(failed);
        }
        if (!done) {
            return;
        }
        for (long at = 0; at < length; ) {
            long iova = busAddress + at;
            Descriptor container = state.resources(resources -> resources.containerOf(address));
            Mapped mapped = container == null ? null : state.resources(_ -> container.at(iova));
            if (container == null || mapped == null) {
                return;
            }
            long run = Math.min(length - at, mapped.end() - iova);
            long user = mapped.address() + (iova - mapped.iova());
            long from = offset + at;
            state.buffers(buffers -> buffers.transferred(
                    address, iova, user, container.memoryOf(mapped, user), data, from, run, toMemory));
            at += run;
        }
    }

    /** The record of a DMA of this device that has just failed; null if none has. */
    private @Nullable FailedDma newestFailure() {
        EmulatedHost host = emulated.get();
        List<FailedDma> all = host == null ? List.of() : host.failedDma();
        FailedDma newest = all.isEmpty() ? null : all.getLast();
        if (newest == null || newest.equals(lastFailed) || !newest.device().equals(address)) {
            return null;
        }
        lastFailed = newest;
        return newest;
    }

    private void report(FailedDma failed) {
        Kind kind = switch (failed.reason()) {
            case MEMORY_FREED -> Kind.STALE_DMA;
            case NO_ENTRY, NO_WINDOW, NO_MEMORY -> failed.unmapped().isPresent() ? Kind.STALE_DMA : Kind.UNMAPPED_DMA;
            case NO_PERMISSION -> Kind.UNMAPPED_DMA;
            // A device that was stopped, and what the driver asked for.
            case BUS_MASTERING_OFF, LOW_POWER, INJECTED -> null;
        };
        if (kind == null) {
            return;
        }
        Descriptor container = state.resources(resources -> resources.containerOf(address));
        Mapped before = container == null ? null : state.resources(_ -> container.lastUnmapped(failed.failedAt()));
        String text = failed.toString().replaceFirst(", unmapped .*", ", which was unmapped before");
        if (before == null) {
            state.findings().add(kind, text, Site.here("while"));
        } else {
            state.findings().add(kind, text, Site.here("while"), before.site());
        }
    }
}
