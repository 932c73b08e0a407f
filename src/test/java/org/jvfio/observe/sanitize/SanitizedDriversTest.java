package org.jvfio.observe.sanitize;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.Dependency;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** No test drives a device by a driver of the project without a sanitizer. */
class SanitizedDriversTest {
    private static final String DRIVERS = "org.jvfio.driver.";

    /** What boots the host with a sanitizer that must find nothing. */
    private static final Set<String> WATCHED = Set.of(
            Sanitizer.class.getName(),
            "org.jvfio.TestHost",
            "org.jvfio.cli.Ran",
            "org.jvfio.driver.nvme.NvmeHost",
            "org.jvfio.junit.EmulatedHost");

    /** Tests whose faults are what the sanitizer would report. */
    private static final Set<String> EXEMPT = Set.of("org.jvfio.observe.fault.FaultInjectionTest");

    private static final String WATCHED_PROCESS = "startWatched";

    private static final JavaClasses TESTS = new ClassFileImporter()
            .importUrl(SanitizedDriversTest.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation());

    @Test
    void tests_thatOpenADriver_watchTheirHost() {
        Set<String> drives = new TreeSet<>();
        Set<String> unwatched = new TreeSet<>();
        for (JavaClass each : TESTS) {
            if (!each.isTopLevelClass() || !each.getSimpleName().endsWith("Test") || !usesDriver(each)) {
                continue;
            }
            drives.add(each.getName());
            if (!isWatched(each) && !EXEMPT.contains(each.getName())) {
                unwatched.add(each.getName());
            }
        }
        assertTrue(
                drives.contains("org.jvfio.contract.NvmeDriverTest") && drives.contains("org.jvfio.UnplugTest"),
                drives::toString);
        assertEquals(Set.of(), unwatched);
    }

    private static List<JavaClass> withNested(JavaClass outer) {
        return TESTS.stream()
                .filter(each -> each.equals(outer) || each.getName().startsWith(outer.getName() + "$"))
                .toList();
    }

    private static Set<String> dependencies(JavaClass outer) {
        return withNested(outer).stream()
                .flatMap(each -> each.getDirectDependenciesFromSelf().stream())
                .map(Dependency::getTargetClass)
                .map(JavaClass::getName)
                .collect(Collectors.toSet());
    }

    private static boolean usesDriver(JavaClass test) {
        return withNested(test).stream()
                .flatMap(each -> each.getAccessesFromSelf().stream())
                .anyMatch(access -> isDriver(access.getTargetOwner().getName())
                        && Set.of("open", "of").contains(access.getTarget().getName()));
    }

    private static boolean isDriver(String name) {
        return name.equals(DRIVERS + "edu.EduDevice") || name.equals(DRIVERS + "nvme.NvmeController");
    }

    private static boolean isWatched(JavaClass test) {
        Set<String> used = dependencies(test);
        return WATCHED.stream().anyMatch(used::contains)
                || withNested(test).stream()
                        .flatMap(each -> each.getMethodCallsFromSelf().stream())
                        .anyMatch(call -> call.getTarget().getName().equals(WATCHED_PROCESS));
    }
}
