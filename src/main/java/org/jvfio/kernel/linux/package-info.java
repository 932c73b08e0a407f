/** The Linux kernel of this machine, by system calls: the only package that needs native access. */
@NullMarked
package org.jvfio.kernel.linux;

import org.jspecify.annotations.NullMarked;
