/** The driver that the README shows. */
@NullMarked
package org.jvfio.example;

import org.jspecify.annotations.NullMarked;
