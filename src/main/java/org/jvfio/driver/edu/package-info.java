/** A driver for edu, the PCI device that QEMU has for learning, on the public API alone. */
@NullMarked
package org.jvfio.driver.edu;

import org.jspecify.annotations.NullMarked;
