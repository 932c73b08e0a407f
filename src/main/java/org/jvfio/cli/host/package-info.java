/**
 * A POWER host as its files show it: sysfs, procfs and {@code /dev}, read through a {@link org.jvfio.kernel.Kernel}.
 */
@NullMarked
package org.jvfio.cli.host;

import org.jspecify.annotations.NullMarked;
