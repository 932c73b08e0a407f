package org.jvfio.junit;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Inherited;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.ExtendWith;
import org.jvfio.observe.fault.Faults;

/** The faults that happen in a test on an {@link EmulatedHost}. Exactly one of the options is set. */
@Documented
@Inherited
@Target({ElementType.TYPE, ElementType.METHOD})
@Retention(RetentionPolicy.RUNTIME)
@ExtendWith(EmulatedHostExtension.class)
public @interface FaultPlan {
    /** The path of a file with the plan, as {@link Faults#read} reads it. */
    String value() default "";

    /** What makes the plan. */
    Class<? extends Source> source() default Source.None.class;

    /** The seed of a random plan, as {@link Faults#random} draws it; one at most. */
    long[] seed() default {};

    /** Makes a plan in code; it has a constructor without parameters. */
    @FunctionalInterface
    interface Source {
        /** The plan. */
        Faults faults();

        /** Stands for no source. */
        final class None implements Source {
            private None() {}

            @Override
            public Faults faults() {
                return Faults.NONE;
            }
        }
    }
}
