package org.jvfio.junit;

import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.extension.Extension;
import org.junit.jupiter.api.extension.ExtensionConfigurationException;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.TestTemplateInvocationContext;
import org.junit.jupiter.api.extension.TestTemplateInvocationContextProvider;
import org.junit.platform.commons.support.AnnotationSupport;
import org.jvfio.observe.fault.RandomFaults;

/** Runs a method with {@link RepeatWithSeeds} once for each seed. */
final class SeedsProvider implements TestTemplateInvocationContextProvider {
    SeedsProvider() {}

    @Override
    public boolean supportsTestTemplate(ExtensionContext context) {
        return AnnotationSupport.isAnnotated(context.getTestMethod(), RepeatWithSeeds.class);
    }

    @Override
    public Stream<TestTemplateInvocationContext> provideTestTemplateInvocationContexts(ExtensionContext context) {
        RepeatWithSeeds annotation = AnnotationSupport.findAnnotation(context.getTestMethod(), RepeatWithSeeds.class)
                .orElseThrow();
        if (annotation.value() < 1) {
            throw new ExtensionConfigurationException(
                    "@RepeatWithSeeds(%d): at least one seed is needed".formatted(annotation.value()));
        }
        RandomFaults random = random(annotation);
        return IntStream.range(0, annotation.value()).mapToObj(each -> new WithSeed(annotation.first() + each, random));
    }

    private static RandomFaults random(RepeatWithSeeds annotation) {
        try {
            RandomFaults random =
                    RandomFaults.ANY.maxFaults(annotation.maxFaults()).among(annotation.among());
            return annotation.on().length == 0 ? random : random.only(annotation.on()[0], annotation.on());
        } catch (IllegalArgumentException wrong) {
            throw new ExtensionConfigurationException("@RepeatWithSeeds: " + wrong.getMessage(), wrong);
        }
    }

    /** One run. */
    private record WithSeed(long seed, RandomFaults random) implements TestTemplateInvocationContext {
        @Override
        public String getDisplayName(int index) {
            return "seed " + seed;
        }

        @Override
        public List<Extension> getAdditionalExtensions() {
            return List.of(new SeededRun(seed, random));
        }
    }
}
