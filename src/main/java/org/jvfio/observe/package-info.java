/** Decorators of {@link org.jvfio.kernel.Kernel}: they observe the system calls of a program, or change them. */
@NullMarked
package org.jvfio.observe;

import org.jspecify.annotations.NullMarked;
