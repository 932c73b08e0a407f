/** The command {@code jvfio}. */
@NullMarked
package org.jvfio.cli;

import org.jspecify.annotations.NullMarked;
