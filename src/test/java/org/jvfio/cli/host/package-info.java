@NullMarked
package org.jvfio.cli.host;

import org.jspecify.annotations.NullMarked;
