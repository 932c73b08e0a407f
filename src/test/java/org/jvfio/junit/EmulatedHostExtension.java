package org.jvfio.junit;

import java.lang.reflect.Method;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ParameterContext;
import org.junit.jupiter.api.extension.ParameterResolver;

/** Gives tests the parameters that {@link EmulatedHost} describes, and ends their hosts. */
final class EmulatedHostExtension implements ParameterResolver, AfterEachCallback {
    EmulatedHostExtension() {}

    @Override
    public boolean supportsParameter(ParameterContext parameter, ExtensionContext context) {
        return parameter.getDeclaringExecutable() instanceof Method
                && context.getTestMethod().isPresent()
                && HostSession.provides(parameter.getParameter().getType());
    }

    @Override
    public Object resolveParameter(ParameterContext parameter, ExtensionContext context) {
        return HostSession.of(context).provide(parameter.getParameter());
    }

    @Override
    public void afterEach(ExtensionContext context) {
        HostSession.end(context, context.getExecutionException().isEmpty());
    }
}
