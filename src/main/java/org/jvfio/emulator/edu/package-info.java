/**
 * The edu device, which QEMU has for learning, for emulated machines. {@link org.jvfio.emulator.edu.EmulatedEdu} is the
 * device, {@link org.jvfio.emulator.edu.EduModel} what machine files know it by.
 */
@NullMarked
package org.jvfio.emulator.edu;

import org.jspecify.annotations.NullMarked;
