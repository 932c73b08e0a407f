package org.jvfio.observe.sanitize;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.AccessTarget.CodeUnitAccessTarget;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.domain.JavaConstructor;
import com.tngtech.archunit.core.domain.JavaMethod;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import java.lang.annotation.Annotation;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Predicate;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.platform.commons.annotation.Testable;
import org.jvfio.junit.AllPresets;
import org.jvfio.junit.EmulatedHost;
import org.jvfio.junit.RepeatWithSeeds;

/**
 * Each test method that drives a device by a driver of the project, itself or by what it calls among the tests, has a
 * sanitizer watch the host, and checks what that has found.
 */
class SanitizedDriversTest {
    private static final Set<String> DRIVERS =
            Set.of("org.jvfio.driver.edu.EduDevice", "org.jvfio.driver.nvme.NvmeController", "org.jvfio.cli.Demo");
    private static final Set<String> OPENS = Set.of("open", "of", "tell");

    /** Ends the watch of a sanitizer, at once or after the test. */
    private static final Set<String> CHECKS = Set.of("requireClean", "requireIn", "finish", "startWatched");

    /** Methods that drive a device without, and why. */
    private static final Map<String, String> EXEMPT = Map.ofEntries(
            faulty("flippedBits_dmaRead_deviceReadsOtherData"),
            faulty("flippedBits_dmaWrite_oneBitDiffers"),
            faulty("frozen_dma_peIsFrozen"),
            faulty("frozen_thirdMap_otherDevicesPeIsFrozen"),
            faulty("lost_dmaWrite_memoryIsUntouched"),
            faulty("refusal_ofAnotherKindOfFile_requestNumbersDoNotCollide"),
            Map.entry("org.jvfio.guide.ObserveTest.faults_thirdMapRefused_driverFails", "as those"),
            Map.entry(
                    "org.jvfio.guide.ObserveTest.record_replayedAndChecked_noDifference",
                    "it is watched; the other host is the one that the record is checked on"),
            Map.entry(
                    "org.jvfio.cli.HostCommandsTest.doctor_aFrozenPe_isToldWithWhoHasTheGroup",
                    "the driver freezes its PE and does not end, for others to see"),
            Map.entry("org.jvfio.cli.CommandsOnHostsTest.commands_aHost_answerAsBefore", "on that host, too"));

    private static Map.Entry<String, String> faulty(String test) {
        return Map.entry(
                "org.jvfio.observe.fault.FaultInjectionTest." + test,
                "the plan of faults is between the driver and its device, where the sanitizer would be");
    }

    private static final JavaClasses TESTS = new ClassFileImporter()
            .importUrl(SanitizedDriversTest.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation());

    private static final Map<JavaCodeUnit, Set<JavaCodeUnit>> CALLEES = new HashMap<>();

    /** What is run of a test method: in front of it and by it, and with what comes behind it. */
    private record Run(Set<JavaCodeUnit> body, Set<JavaCodeUnit> all) {
        private static Run of(JavaMethod test) {
            Set<JavaCodeUnit> begin = new LinkedHashSet<>(Set.of(test));
            Set<JavaCodeUnit> end = new LinkedHashSet<>();
            for (JavaClass each : (Iterable<JavaClass>) classes(test.getOwner())::iterator) {
                begin.addAll(each.getConstructors());
                each.getStaticInitializer().ifPresent(begin::add);
                begin.addAll(annotated(each, BeforeEach.class, BeforeAll.class));
                end.addAll(annotated(each, AfterEach.class, AfterAll.class));
            }
            Set<JavaCodeUnit> body = reachable(begin);
            end.addAll(body);
            return new Run(body, reachable(end));
        }

        private static Stream<JavaClass> classes(JavaClass test) {
            return Stream.concat(Stream.of(test), test.getAllRawSuperclasses().stream())
                    .filter(each -> TESTS.contain(each.getName()));
        }

        private static List<JavaMethod> annotated(
                JavaClass type, Class<? extends Annotation> one, Class<? extends Annotation> other) {
            return type.getMethods().stream()
                    .filter(method -> method.isAnnotatedWith(one) || method.isAnnotatedWith(other))
                    .toList();
        }

        private static Set<JavaCodeUnit> reachable(Set<JavaCodeUnit> from) {
            Set<JavaCodeUnit> reached = new LinkedHashSet<>(from);
            Deque<JavaCodeUnit> left = new ArrayDeque<>(from);
            while (!left.isEmpty()) {
                for (JavaCodeUnit each : CALLEES.computeIfAbsent(left.removeFirst(), Run::callees)) {
                    if (reached.add(each)) {
                        left.add(each);
                    }
                }
            }
            return reached;
        }

        private static Set<JavaCodeUnit> callees(JavaCodeUnit caller) {
            return targets(caller)
                    .flatMap(target -> target.resolveMember().stream())
                    .map(JavaCodeUnit.class::cast)
                    .filter(unit -> TESTS.contain(unit.getOwner().getName()))
                    .flatMap(Run::withImplementations)
                    .collect(Collectors.toSet());
        }

        /** Of an object that the tests make of an anonymous or a functional class, what its methods do. */
        private static Stream<JavaCodeUnit> withImplementations(JavaCodeUnit unit) {
            JavaClass owner = unit.getOwner();
            boolean isMade = unit instanceof JavaConstructor && owner.isAnonymousClass();
            return isMade ? Stream.concat(Stream.of(unit), owner.getMethods().stream()) : Stream.of(unit);
        }
    }

    private static Stream<CodeUnitAccessTarget> targets(JavaCodeUnit unit) {
        return unit.getAccessesFromSelf().stream()
                .map(access -> access.getTarget())
                .filter(CodeUnitAccessTarget.class::isInstance)
                .map(CodeUnitAccessTarget.class::cast);
    }

    private static boolean calls(Set<JavaCodeUnit> code, Predicate<CodeUnitAccessTarget> any) {
        return code.stream().flatMap(SanitizedDriversTest::targets).anyMatch(any);
    }

    private static boolean opensDriver(CodeUnitAccessTarget target) {
        return DRIVERS.contains(target.getOwner().getName()) && OPENS.contains(target.getName());
    }

    private static boolean checks(CodeUnitAccessTarget target) {
        return target.getOwner().getName().startsWith("org.jvfio.") && CHECKS.contains(target.getName());
    }

    /** A boot without a wrapper of devices. */
    private static boolean bootsUnwatched(CodeUnitAccessTarget target) {
        return target.getOwner().getName().equals("org.jvfio.emulator.EmulatedKernel")
                && target.getName().equals("boot")
                && target.getRawParameterTypes().size() == 1;
    }

    private static boolean isTest(JavaMethod method) {
        return method.isMetaAnnotatedWith(Testable.class)
                && !method.getModifiers().contains(JavaModifier.ABSTRACT);
    }

    private static boolean hasEmulatedHost(JavaMethod method) {
        return method.isAnnotatedWith(EmulatedHost.class)
                ? method.getAnnotationOfType(EmulatedHost.class).sanitize()
                : method.isAnnotatedWith(AllPresets.class)
                        || method.isAnnotatedWith(RepeatWithSeeds.class)
                        || method.getOwner().isAnnotatedWith(EmulatedHost.class);
    }

    @Test
    void tests_thatOpenADriver_checkWhatASanitizerFound() {
        Set<String> drive = new TreeSet<>();
        Set<String> unwatched = new TreeSet<>();
        for (JavaClass each : TESTS) {
            for (JavaMethod method : each.getMethods()) {
                if (!isTest(method)) {
                    continue;
                }
                Run run = Run.of(method);
                if (calls(run.body(), SanitizedDriversTest::opensDriver)) {
                    String name = each.getName() + "." + method.getName();
                    drive.add(name);
                    boolean isChecked = hasEmulatedHost(method) || calls(run.all(), SanitizedDriversTest::checks);
                    if (!isChecked || calls(run.body(), SanitizedDriversTest::bootsUnwatched)) {
                        unwatched.add(name);
                    }
                }
            }
        }
        assertTrue(drive.size() > 200, () -> drive.size() + " tests drive a device: " + drive);
        assertEquals(new TreeSet<>(EXEMPT.keySet()), unwatched);
    }
}
