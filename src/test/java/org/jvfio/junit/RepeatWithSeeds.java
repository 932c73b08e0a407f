package org.jvfio.junit;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.TestTemplate;
import org.junit.jupiter.api.extension.ExtendWith;
import org.jvfio.observe.fault.FaultPoint.On;

/**
 * A test that runs once for each of some seeds, with the random plan of faults that the seed draws, in place of {@code
 * @Test}. If it fails, the method is run again with fewer and fewer of the faults, on the same instance of the class
 * and without the methods before and after it; the failure names the seed and the fewest faults that are enough. What
 * the sanitizer finds when the method returns is a failure too, so the method closes what it opens itself.
 */
@Documented
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.RUNTIME)
@TestTemplate
@ExtendWith({EmulatedHostExtension.class, SeedsProvider.class})
public @interface RepeatWithSeeds {
    /** How many seeds, from 1. */
    int value() default 100;

    /** The first seed; to reproduce a failure, the seed that it names, with one seed. */
    long first() default 0;

    /** The kinds of events that faults happen to; all by default. */
    On[] on() default {};

    /** The maximum number of faults in a plan, from 1. */
    int maxFaults() default 4;

    /** A fault happens to one of this many first events of its kind, from 1. */
    int among() default 64;
}
