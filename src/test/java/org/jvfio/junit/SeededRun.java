package org.jvfio.junit;

import java.lang.reflect.Method;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.InvocationInterceptor;
import org.junit.jupiter.api.extension.ReflectiveInvocationContext;
import org.jvfio.observe.fault.FaultSearch;
import org.jvfio.observe.fault.Faults;
import org.jvfio.observe.fault.RandomFaults;
import org.opentest4j.TestAbortedException;

/** Runs a test with the random plan of a seed; if it fails, shrinks the plan. */
final class SeededRun implements BeforeEachCallback, InvocationInterceptor {
    private final long seed;
    private final RandomFaults random;

    SeededRun(long seed, RandomFaults random) {
        this.seed = seed;
        this.random = random;
    }

    @Override
    public void beforeEach(ExtensionContext context) {
        HostSession.use(context, random.draw(seed));
    }

    @Override
    public void interceptTestTemplateMethod(
            Invocation<Void> invocation, ReflectiveInvocationContext<Method> method, ExtensionContext context)
            throws Throwable {
        Runs runs = new Runs(invocation, method.getExecutable(), context);
        FaultSearch.Found found = new FaultSearch(random, runs).run(seed).orElse(null);
        if (found != null) {
            throw new AssertionError(
                    "%s%nTo run this seed alone: @RepeatWithSeeds(value = 1, first = %d), and the other options as they are"
                            .formatted(found, seed),
                    found.failure());
        }
        TestAbortedException aborted = runs.aborted;
        if (aborted != null) {
            throw aborted;
        }
    }

    /** The first run is the test's own; those that follow make the call anew, with parameters of another host. */
    private static final class Runs implements FaultSearch.Scenario {
        private final Invocation<Void> invocation;
        private final Method method;
        private final ExtensionContext context;
        private boolean begun;
        private @Nullable TestAbortedException aborted;

        private Runs(Invocation<Void> invocation, Method method, ExtensionContext context) {
            this.invocation = invocation;
            this.method = method;
            this.context = context;
        }

        @Override
        public void run(Faults plan) throws Throwable {
            try {
                if (begun) {
                    HostSession.use(context, plan);
                    context.getExecutableInvoker()
                            .invoke(method, context.getTestInstance().orElse(null));
                } else {
                    begun = true;
                    invocation.proceed();
                }
            } catch (TestAbortedException assumption) {
                aborted = assumption;
            } catch (Throwable failure) {
                endAfter(failure);
                throw failure;
            }
            HostSession.end(context, aborted == null);
        }

        private void endAfter(Throwable failure) {
            try {
                HostSession.end(context, false);
            } catch (RuntimeException | Error more) {
                failure.addSuppressed(more);
            }
        }
    }
}
