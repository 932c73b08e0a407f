package org.jvfio.observe.fault;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.function.Consumer;
import org.jvfio.emulator.device.DeviceBus;
import org.jvfio.emulator.device.EmulatedDevice;
import org.jvfio.emulator.device.ForwardingDevice;
import org.jvfio.observe.fault.Fault.Effect;
import org.jvfio.observe.fault.FaultPoint.On;
import org.jvfio.observe.fault.FaultyKernel.HostChange;

/** An emulated device with the faults of a plan. The host's lock is held in all of its methods. */
final class FaultyDevice extends ForwardingDevice {
    private final String address;
    private final FaultRun run;
    private final Consumer<HostChange> host;

    FaultyDevice(EmulatedDevice behind, String address, FaultRun run, Consumer<HostChange> host) {
        super(behind);
        this.address = address;
        this.run = run;
        this.host = host;
    }

    /** Whether the device's PE was frozen or a device was removed. */
    private boolean changesHost(List<Effect> effects) {
        boolean changed = false;
        for (Effect effect : effects) {
            if (effect.changesHost()) {
                host.accept(new HostChange(effect, address));
                changed = true;
            }
        }
        return changed;
    }

    private static boolean isLost(List<Effect> effects) {
        return effects.stream().anyMatch(Effect.Lost.class::isInstance);
    }

    private long flip(List<Effect> effects, long value, int bits) {
        long flipped = value;
        for (Effect effect : effects) {
            if (effect instanceof Effect.FlippedBits some) {
                for (int each = 0; each < some.count(); each++) {
                    flipped ^= 1L << run.below(bits);
                }
            }
        }
        return flipped;
    }

    @Override
    public long read(int bar, long offset, int size) {
        List<Effect> effects = run.effects(FaultEvent.register(On.REGISTER_READ, address, bar, offset, size));
        if (effects.isEmpty()) {
            return super.read(bar, offset, size);
        }
        boolean unreachable = changesHost(effects);
        if (unreachable || effects.stream().anyMatch(Effect.AllOnes.class::isInstance)) {
            return -1;
        }
        return flip(effects, super.read(bar, offset, size), size * Byte.SIZE);
    }

    @Override
    public void write(int bar, long offset, int size, long value) {
        List<Effect> effects = run.effects(FaultEvent.register(On.REGISTER_WRITE, address, bar, offset, size));
        if (effects.isEmpty()) {
            super.write(bar, offset, size, value);
        } else if (!changesHost(effects) && !isLost(effects)) {
            super.write(bar, offset, size, flip(effects, value, size * Byte.SIZE));
        }
    }

    @Override
    protected DeviceBus bus(DeviceBus hostBus) {
        return new FaultyBus(hostBus);
    }

    /** The bus that the device gets. */
    private final class FaultyBus extends ForwardingBus {
        /** Whether the device asserts INTx. */
        private boolean asserted;
        /** Whether the host sees it asserted. */
        private boolean passedOn;

        private FaultyBus(DeviceBus behind) {
            super(behind);
        }

        @Override
        public boolean readMemory(long busAddress, MemorySegment into, long offset, long length) {
            List<Effect> effects = run.effects(FaultEvent.dma(On.DMA_READ, address, busAddress, length));
            if (changesHost(effects)) {
                return false;
            }
            boolean read = super.readMemory(busAddress, into, offset, length);
            if (read && !effects.isEmpty()) {
                flip(effects, into, offset, length);
            }
            return read;
        }

        @Override
        public boolean writeMemory(long busAddress, MemorySegment from, long offset, long length) {
            List<Effect> effects = run.effects(FaultEvent.dma(On.DMA_WRITE, address, busAddress, length));
            if (effects.isEmpty()) {
                return super.writeMemory(busAddress, from, offset, length);
            }
            if (changesHost(effects)) {
                return false;
            }
            if (isLost(effects)) {
                return true;
            }
            MemorySegment data =
                    MemorySegment.ofArray(from.asSlice(offset, length).toArray(ValueLayout.JAVA_BYTE));
            flip(effects, data, 0, length);
            return super.writeMemory(busAddress, data, 0, length);
        }

        private void flip(List<Effect> effects, MemorySegment data, long offset, long length) {
            for (Effect effect : effects) {
                if (effect instanceof Effect.FlippedBits some && length > 0) {
                    for (int each = 0; each < some.count(); each++) {
                        long bit = run.below(length * Byte.SIZE);
                        long at = offset + bit / Byte.SIZE;
                        byte old = data.get(ValueLayout.JAVA_BYTE, at);
                        data.set(ValueLayout.JAVA_BYTE, at, (byte) (old ^ 1 << bit % Byte.SIZE));
                    }
                }
            }
        }

        @Override
        public void sendMessage(int vector) {
            interrupt(vector, () -> super.sendMessage(vector));
        }

        private void interrupt(int vector, Runnable send) {
            List<Effect> effects = run.effects(FaultEvent.interrupt(address, vector));
            if (changesHost(effects) || isLost(effects)) {
                return;
            }
            boolean delayed = false;
            for (Effect effect : effects) {
                if (effect instanceof Effect.Delay delay) {
                    after(delay.time(), send);
                    delayed = true;
                } else if (effect instanceof Effect.Doubled doubled) {
                    after(doubled.after(), send);
                }
            }
            if (!delayed) {
                send.run();
            }
        }

        /** INTx is level triggered: what is lost, doubled or delayed is one assertion. */
        @Override
        public void setLine(boolean level) {
            if (!level) {
                asserted = false;
                passedOn = false;
                super.setLine(false);
            } else if (!asserted) {
                asserted = true;
                interrupt(0, this::assertLine);
            }
        }

        /** Asserts it for the host; if it is asserted already, with a short interruption. */
        private void assertLine() {
            if (asserted) {
                if (passedOn) {
                    super.setLine(false);
                }
                passedOn = true;
                super.setLine(true);
            }
        }
    }
}
