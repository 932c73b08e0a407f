package org.jvfio;

import static com.tngtech.archunit.core.domain.properties.CanBeAnnotated.Predicates.annotatedWith;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.methods;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaMethod;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import net.jqwik.api.Property;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;

/** A test's name says the call, the condition and the result: {@code tceRemove_defaultWindowTwice_einval}. */
class NamesTest {
    private static final String CALL_CONDITION_RESULT = "[a-z][A-Za-z0-9]*(_[a-z0-9][A-Za-z0-9]*){2}";

    private static final JavaClasses TESTS = new ClassFileImporter().importPackages("org.jvfio");

    /** A static nested class with tests is what another test runs. */
    private static final DescribedPredicate<JavaMethod> RUN_BY_ITSELF = DescribedPredicate.describe(
            "run by itself",
            method -> method.getOwner().isTopLevelClass() || method.getOwner().isInnerClass());

    @Test
    void testMethods_allPackages_callConditionResult() {
        methods()
                .that(annotatedWith(Test.class)
                        .or(annotatedWith(ParameterizedTest.class))
                        .or(annotatedWith(Property.class)))
                .and(RUN_BY_ITSELF)
                .should()
                .haveNameMatching(CALL_CONDITION_RESULT)
                .check(TESTS);
    }
}
