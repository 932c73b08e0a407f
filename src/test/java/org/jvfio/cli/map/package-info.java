@NullMarked
package org.jvfio.cli.map;

import org.jspecify.annotations.NullMarked;
