package org.jvfio.contract;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ArgumentsSource;
import org.jvfio.contract.host.Hosts;

/** As {@link ContractTest}, for tests of type 2 alone: they hold on hosts that lend their table, too. */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@Tag("contract")
@ParameterizedClass(name = "{0}")
@ArgumentsSource(Hosts.OfType2.class)
public @interface Type2ContractTest {}
