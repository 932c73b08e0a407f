/** A driver for edu, QEMU's PCI device for teaching, built on the public API alone. */
@NullMarked
package org.jvfio.driver.edu;

import org.jspecify.annotations.NullMarked;
