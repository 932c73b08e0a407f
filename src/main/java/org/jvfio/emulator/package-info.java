/**
 * A POWER host emulated in Java: its kernel's VFIO, its SPAPR TCE driver, its PCI host bridges and devices. It stands
 * below the same line as Linux does, so a driver cannot tell, except that where a wrong call would hang or corrupt a
 * real host, this one stops the caller with a {@link org.jvfio.emulator.HostHazard}.
 */
@NullMarked
package org.jvfio.emulator;

import org.jspecify.annotations.NullMarked;
