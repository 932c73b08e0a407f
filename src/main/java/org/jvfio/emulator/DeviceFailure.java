package org.jvfio.emulator;

import java.time.Duration;

/**
 * An exception of a device model.
 *
 * @param device the address of the device, such as {@code 0000:01:00.0}
 * @param during what the host had called: {@code read}, {@code write}, {@code reset}, or {@code after} for an action
 *     that the device had scheduled
 * @param cause what the model threw
 * @param sinceBoot when, on the clock of the kernel log
 */
public record DeviceFailure(String device, String during, Throwable cause, Duration sinceBoot) {}
