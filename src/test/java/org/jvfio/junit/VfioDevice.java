package org.jvfio.junit;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/** Names the device that a parameter of type {@link org.jvfio.Device} of a test is. */
@Documented
@Target(ElementType.PARAMETER)
@Retention(RetentionPolicy.RUNTIME)
public @interface VfioDevice {
    /**
     * Its address, such as {@code 0000:01:00.0}, or the name of its model, such as {@code nvme}: the first of these.
     */
    String value();
}
