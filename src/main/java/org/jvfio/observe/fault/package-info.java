/**
 * Faults that a driver must survive, planned in code, in a file or at random: {@link org.jvfio.observe.fault.Faults} is
 * a plan, {@link org.jvfio.observe.fault.FaultInjection} carries it out, and {@link
 * org.jvfio.observe.fault.FaultSearch} finds the random plan that breaks a program.
 */
@NullMarked
package org.jvfio.observe.fault;

import org.jspecify.annotations.NullMarked;
