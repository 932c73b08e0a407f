package org.jvfio.emulator;

import java.util.List;

/** A machine whose options contradict each other, with the options that a machine file may have to change. */
final class Contradiction extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    private final String part;
    private final transient List<String> options;

    /**
     * An error of the machine as a whole, or of a part of it.
     *
     * @param part the address of a device, the domain of a host bridge in 4 hexadecimal digits, or the name of an
     *     option of the machine that is an object; empty for the machine
     * @param options their names in a machine file, the one that is most likely wrong first
     */
    Contradiction(String part, List<String> options, String message) {
        super(message);
        this.part = part;
        this.options = options;
    }

    String part() {
        return part;
    }

    List<String> options() {
        return options;
    }
}
