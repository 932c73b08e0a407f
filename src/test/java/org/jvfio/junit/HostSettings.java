package org.jvfio.junit;

import java.io.IOException;
import java.lang.annotation.Annotation;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionConfigurationException;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;
import org.junit.jupiter.api.extension.ExtensionContext.Store;
import org.junit.platform.commons.support.AnnotationSupport;
import org.junit.platform.commons.support.ReflectionSupport;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.FileErrors;
import org.jvfio.observe.fault.Faults;
import org.jvfio.observe.sanitize.Finding;

/**
 * What the annotations of a test say about its host.
 *
 * @param machine the machine
 * @param faults the plan of faults
 * @param sanitize whether a sanitizer watches the test
 * @param allowed the kinds of findings that do not fail it
 */
record HostSettings(EmulatedMachine machine, Faults faults, boolean sanitize, Set<Finding.Kind> allowed) {
    private static final Namespace NAMESPACE = Namespace.create(HostSettings.class);
    private static final String PRESET = "preset";

    /** Puts a preset in place of the machine that the annotation names, for one run. */
    record Preset(String name) implements BeforeEachCallback {
        /** Before any method before the test, as this is called first. */
        @Override
        public void beforeEach(ExtensionContext context) {
            store(context).put(PRESET, name);
        }
    }

    static Store store(ExtensionContext context) {
        return context.getStore(NAMESPACE);
    }

    /**
     * Reads the annotations.
     *
     * @throws ExtensionConfigurationException if they name something that is not there or cannot be read
     */
    static HostSettings of(ExtensionContext context) {
        Optional<EmulatedHost> host = find(context, EmulatedHost.class);
        String preset = store(context).get(PRESET, String.class);
        try {
            EmulatedMachine machine = preset != null
                    ? named(preset)
                    : host.map(HostSettings::machine).orElseGet(EmulatedMachine::power8);
            String linux = host.map(EmulatedHost::linux).orElse("");
            return new HostSettings(
                    linux.isEmpty() ? machine : machine.toBuilder().linux(linux).build(),
                    find(context, FaultPlan.class).map(HostSettings::plan).orElse(Faults.NONE),
                    host.map(EmulatedHost::sanitize).orElse(true),
                    host.map(annotation -> Set.of(annotation.allow())).orElse(Set.of()));
        } catch (IllegalArgumentException wrong) {
            throw new ExtensionConfigurationException(String.valueOf(wrong.getMessage()), wrong);
        }
    }

    /** The annotation of the method, or else of its class or an enclosing one. */
    private static <A extends Annotation> Optional<A> find(ExtensionContext context, Class<A> type) {
        Optional<A> ofMethod = AnnotationSupport.findAnnotation(context.getTestMethod(), type);
        Class<?> test = context.getRequiredTestClass();
        while (ofMethod.isEmpty() && test != null) {
            ofMethod = AnnotationSupport.findAnnotation(test, type);
            test = test.getEnclosingClass();
        }
        return ofMethod;
    }

    private static EmulatedMachine machine(EmulatedHost annotation) {
        return annotation.machine() == MachineSource.Named.class
                ? named(annotation.value())
                : ReflectionSupport.newInstance(annotation.machine()).machine();
    }

    private static EmulatedMachine named(String name) {
        return EmulatedMachine.preset(name).orElseGet(() -> {
            try {
                return EmulatedMachine.read(Path.of(name));
            } catch (IOException unreadable) {
                throw new ExtensionConfigurationException(
                        "@EmulatedHost(\"%s\"): there is no such preset, only %s, and as a machine file it cannot be read: %s"
                                .formatted(name, EmulatedMachine.presets(), FileErrors.reason(unreadable)),
                        unreadable);
            }
        });
    }

    private static Faults plan(FaultPlan annotation) {
        boolean file = !annotation.value().isEmpty();
        boolean code = annotation.source() != FaultPlan.Source.None.class;
        int seeds = annotation.seed().length;
        if (seeds > 1 || (file ? 1 : 0) + (code ? 1 : 0) + seeds != 1) {
            throw new ExtensionConfigurationException(
                    "@FaultPlan needs a file, a source or one seed, and only one of these");
        }
        if (code) {
            return ReflectionSupport.newInstance(annotation.source()).faults();
        }
        if (seeds == 1) {
            return Faults.random(annotation.seed()[0]);
        }
        try {
            return Faults.read(Path.of(annotation.value()));
        } catch (IOException unreadable) {
            throw new ExtensionConfigurationException(
                    "@FaultPlan(\"%s\"): the file cannot be read: %s"
                            .formatted(annotation.value(), FileErrors.reason(unreadable)),
                    unreadable);
        }
    }
}
