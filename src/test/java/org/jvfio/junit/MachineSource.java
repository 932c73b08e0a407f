package org.jvfio.junit;

import org.jvfio.emulator.EmulatedMachine;

/** Describes the host of a test in code; it has a constructor without parameters. */
@FunctionalInterface
public interface MachineSource {
    /** The machine, for each test anew. */
    EmulatedMachine machine();

    /** Stands for the machine that {@link EmulatedHost#value} names. */
    final class Named implements MachineSource {
        private Named() {}

        @Override
        public EmulatedMachine machine() {
            throw new UnsupportedOperationException("the machine is named by the annotation");
        }
    }
}
