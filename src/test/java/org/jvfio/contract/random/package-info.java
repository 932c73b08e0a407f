/** Random sequences of calls, made on two kernels, whose results must be equal. */
@NullMarked
package org.jvfio.contract.random;

import org.jspecify.annotations.NullMarked;
