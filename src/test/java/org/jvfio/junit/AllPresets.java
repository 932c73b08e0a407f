package org.jvfio.junit;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.TestTemplate;
import org.junit.jupiter.api.extension.ExtendWith;

/**
 * A test that runs once on each preset, in place of {@code @Test}. {@link EmulatedHost}, which is not needed, has its
 * other options.
 */
@Documented
@Target(ElementType.METHOD)
@Retention(RetentionPolicy.RUNTIME)
@TestTemplate
@ExtendWith({EmulatedHostExtension.class, AllPresetsProvider.class})
public @interface AllPresets {
    /** Presets that it does not run on. */
    String[] except() default {};
}
