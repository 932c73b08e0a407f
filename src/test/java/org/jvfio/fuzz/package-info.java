/**
 * Replays the corpora of the fuzz targets: the classes named {@code *Fuzz}, each in the package of what it tries.
 * {@code scripts/fuzz} searches for more inputs with Jazzer.
 */
@NullMarked
package org.jvfio.fuzz;

import org.jspecify.annotations.NullMarked;
