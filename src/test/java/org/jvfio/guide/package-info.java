/** The listings of the guide, {@code src/main/java/org/jvfio/doc-files}, as tests. */
@NullMarked
package org.jvfio.guide;

import org.jspecify.annotations.NullMarked;
