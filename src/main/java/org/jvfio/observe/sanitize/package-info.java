/**
 * Watches a driver on an emulated host, and reports what it has left behind and done wrong: {@link
 * org.jvfio.observe.sanitize.Sanitizer}.
 */
@NullMarked
package org.jvfio.observe.sanitize;

import org.jspecify.annotations.NullMarked;
