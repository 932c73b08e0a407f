/** The boundary between the library and the kernel, Linux or emulated: system calls and their error numbers. */
@NullMarked
package org.jvfio.kernel;

import org.jspecify.annotations.NullMarked;
