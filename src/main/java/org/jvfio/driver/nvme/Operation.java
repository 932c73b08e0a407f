package org.jvfio.driver.nvme;

/**
 * The commands of the NVM command set that this driver submits. Executing one twice has the effect of executing it
 * once, so that it can be submitted again when it is not known whether the controller has executed it; Copy does not
 * write to blocks that it reads. Other commands in flight may be executed before or after it in any case.
 */
enum Operation {
    FLUSH(0x00, "flush"),
    WRITE(0x01, "write"),
    READ(0x02, "read"),
    COMPARE(0x05, "compare"),
    WRITE_ZEROES(0x08, "write zeroes to"),
    DEALLOCATE(0x09, "deallocate"),
    VERIFY(0x0c, "verify"),
    COPY(0x19, "copy");

    private final int opcode;
    private final String verb;

    Operation(int opcode, String verb) {
        this.opcode = opcode;
        this.verb = verb;
    }

    int opcode() {
        return opcode;
    }

    /** Whether it transfers data between memory and the drive. */
    boolean transfers() {
        return this == READ || this == WRITE || this == COMPARE;
    }

    String describe(NvmeNamespace namespace, long lba, long blocks) {
        return this == FLUSH
                ? "flush " + namespace
                : "%s %d block%s at LBA %d of %s".formatted(verb, blocks, blocks == 1 ? "" : "s", lba, namespace);
    }
}
