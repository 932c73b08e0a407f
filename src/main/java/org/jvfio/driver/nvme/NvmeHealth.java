package org.jvfio.driver.nvme;

import java.math.BigInteger;

/**
 * The SMART / health log page of a controller (log page 2).
 *
 * @param warnings CRITICAL WARNING: bit 0 spare low, 1 temperature, 2 unreliable, 3 read only, 4 backup failed, 5 persistent
 *     memory unreliable
 * @param temperatureKelvin the temperature in kelvins
 * @param sparePercent the spare that is left, in percent
 * @param spareThresholdPercent what of it is too little
 * @param usedPercent how much of its life is used, in percent; may exceed 100
 * @param unitsRead what was read, in thousands of 512 bytes
 * @param unitsWritten what was written, in thousands of 512 bytes
 * @param readCommands how many commands read
 * @param writeCommands how many commands wrote
 * @param powerCycles how often it was switched on
 * @param powerOnHours for how many hours it was on
 * @param unsafeShutdowns how often it lost power without a shutdown
 * @param mediaErrors how often data could not be corrected
 * @param errorEntries how many entries its error log had, ever
 */
public record NvmeHealth(
        int warnings,
        int temperatureKelvin,
        int sparePercent,
        int spareThresholdPercent,
        int usedPercent,
        BigInteger unitsRead,
        BigInteger unitsWritten,
        BigInteger readCommands,
        BigInteger writeCommands,
        BigInteger powerCycles,
        BigInteger powerOnHours,
        BigInteger unsafeShutdowns,
        BigInteger mediaErrors,
        BigInteger errorEntries) {
    /** The bytes of the log page. */
    static final int BYTES = 512;

    static NvmeHealth of(ControllerData data) {
        return new NvmeHealth(
                data.unsignedByte(0),
                data.unsignedByte(1) | data.unsignedByte(2) << 8,
                data.unsignedByte(3),
                data.unsignedByte(4),
                data.unsignedByte(5),
                data.wide(32),
                data.wide(48),
                data.wide(64),
                data.wide(80),
                data.wide(112),
                data.wide(128),
                data.wide(144),
                data.wide(160),
                data.wide(176));
    }
}
