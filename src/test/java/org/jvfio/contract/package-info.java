/**
 * What every kernel with VFIO on POWER must do, said once and asked of each: of the emulated kernel for every platform,
 * and, with the system property {@code jvfio.kernel=linux}, of the Linux that runs the tests.
 *
 * <p>The classes tagged {@code contract} make no call that harms a real host. What only an emulated host can show, such
 * as a second process, another version of Linux or a hazard, is in the classes tagged {@code emulator}. {@link
 * org.jvfio.contract.Scenario} names what a test covers, of the list in {@code scenarios.txt}.
 */
@NullMarked
package org.jvfio.contract;

import org.jspecify.annotations.NullMarked;
