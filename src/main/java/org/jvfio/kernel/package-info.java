/** The seam between the library and the kernel below it, Linux or emulated. */
@NullMarked
package org.jvfio.kernel;

import org.jspecify.annotations.NullMarked;
