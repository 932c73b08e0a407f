/** Tests of the ioctls' structs and texts. */
@NullMarked
package org.jvfio.ioctl;

import org.jspecify.annotations.NullMarked;
