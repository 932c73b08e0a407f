/** Configuration space in words, in the layout of {@code lspci -vvv} of pciutils, whose readers know it. */
@NullMarked
package org.jvfio.cli.lspci;

import org.jspecify.annotations.NullMarked;
