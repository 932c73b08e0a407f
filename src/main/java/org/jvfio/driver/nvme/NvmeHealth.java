package org.jvfio.driver.nvme;

import java.math.BigInteger;

/**
 * The SMART / Health Information log page (02h). Fields the specification counts in 16 bytes are big integers.
 *
 * @param warnings Critical Warning bits: 0 spare below threshold, 1 temperature, 2 reliability degraded, 3 read only, 4
 *     volatile memory backup failed, 5 persistent memory region unreliable
 * @param temperatureKelvin Composite Temperature in kelvins
 * @param sparePercent Available Spare in percent
 * @param spareThresholdPercent Available Spare Threshold in percent
 * @param usedPercent Percentage Used: the part of the drive's endurance that is used; may exceed 100
 * @param unitsRead Data Units Read, in thousands of 512 bytes
 * @param unitsWritten Data Units Written, in thousands of 512 bytes
 * @param readCommands Host Read Commands
 * @param writeCommands Host Write Commands
 * @param powerCycles Power Cycles
 * @param powerOnHours Power On Hours
 * @param unsafeShutdowns Unsafe Shutdowns
 * @param mediaErrors Media and Data Integrity Errors
 * @param errorEntries Number of Error Information Log Entries over the life of the controller
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
    /** The size of the log page. */
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
