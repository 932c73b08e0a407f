/** Benchmarks, run by {@code scripts/bench}: what a call costs on the emulated kernel, through the Kernel seam. */
@NullMarked
package org.jvfio.bench;

import org.jspecify.annotations.NullMarked;
