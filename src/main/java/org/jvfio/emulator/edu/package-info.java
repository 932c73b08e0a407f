/**
 * QEMU's educational device for emulated machines. {@link org.jvfio.emulator.edu.EmulatedEdu} is the device, {@link
 * org.jvfio.emulator.edu.EduModel} makes it available to machine files.
 */
@NullMarked
package org.jvfio.emulator.edu;

import org.jspecify.annotations.NullMarked;
