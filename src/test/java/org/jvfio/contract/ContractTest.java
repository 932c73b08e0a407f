package org.jvfio.contract;

import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ArgumentsSource;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.Hosts;

/** A class of tests that holds on every {@link ContractHost}; its constructor takes one. */
@Target(ElementType.TYPE)
@Retention(RetentionPolicy.RUNTIME)
@Tag("contract")
@ParameterizedClass(name = "{0}")
@ArgumentsSource(Hosts.class)
public @interface ContractTest {}
