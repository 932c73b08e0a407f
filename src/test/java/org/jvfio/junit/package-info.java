/**
 * A JUnit 5 extension that gives tests an emulated POWER host: {@link org.jvfio.junit.EmulatedHost}. It is the jar with
 * the classifier {@code junit}.
 */
@NullMarked
package org.jvfio.junit;

import org.jspecify.annotations.NullMarked;
