package org.jvfio.junit;

import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.Extension;
import org.junit.jupiter.api.extension.ExtensionConfigurationException;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.TestTemplateInvocationContext;
import org.junit.jupiter.api.extension.TestTemplateInvocationContextProvider;
import org.junit.platform.commons.support.AnnotationSupport;
import org.jvfio.emulator.EmulatedMachine;

/** Runs a method with {@link AllPresets} once on each preset. */
final class AllPresetsProvider implements TestTemplateInvocationContextProvider {
    AllPresetsProvider() {}

    @Override
    public boolean supportsTestTemplate(ExtensionContext context) {
        return AnnotationSupport.isAnnotated(context.getTestMethod(), AllPresets.class);
    }

    @Override
    public Stream<TestTemplateInvocationContext> provideTestTemplateInvocationContexts(ExtensionContext context) {
        AllPresets annotation = AnnotationSupport.findAnnotation(context.getTestMethod(), AllPresets.class)
                .orElseThrow();
        Set<String> except = Set.copyOf(Arrays.asList(annotation.except()));
        List<String> presets = EmulatedMachine.presets();
        for (String name : except) {
            if (!presets.contains(name)) {
                throw new ExtensionConfigurationException(
                        "@AllPresets(except = \"%s\"): the presets are %s".formatted(name, presets));
            }
        }
        return presets.stream().filter(name -> !except.contains(name)).map(OnPreset::new);
    }

    /** One run. */
    private record OnPreset(String preset) implements TestTemplateInvocationContext {
        @Override
        public String getDisplayName(int index) {
            return preset;
        }

        @Override
        public List<Extension> getAdditionalExtensions() {
            return List.of(new HostSettings.Preset(preset));
        }
    }
}
