package org.jvfio;

import static com.tngtech.archunit.base.DescribedPredicate.not;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackages;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.type;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaCodeUnit;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.core.domain.JavaPackage;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import java.io.IOException;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.module.ModuleDescriptor;
import java.net.URISyntaxException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.NullMarked;
import org.junit.jupiter.api.Test;
import org.jvfio.emulator.device.DeviceModel;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.TraceProperty;

/** The layers of the project, and who may make the calls that can crash a JVM. */
class ArchitectureTest {

    private static final String CLI = "org.jvfio.cli..";
    private static final String DRIVERS = "org.jvfio.driver..";
    private static final String API = "org.jvfio";
    private static final String IOCTL = "org.jvfio.ioctl";
    private static final String UAPI = "org.jvfio.uapi";
    private static final String KERNEL = "org.jvfio.kernel";
    private static final String LINUX = "org.jvfio.kernel.linux..";
    private static final String OBSERVE = "org.jvfio.observe..";
    private static final String EMULATOR = "org.jvfio.emulator..";

    private static final JavaClasses PROJECT = importProject();

    private static JavaClasses importProject() {
        URL compiled = Kernel.class.getProtectionDomain().getCodeSource().getLocation();
        return new ClassFileImporter().importUrl(compiled);
    }

    @Test
    void project_imported_classesWithoutTests() {
        assertTrue(PROJECT.contain(Kernel.class));
        assertFalse(PROJECT.contain(ArchitectureTest.class));
    }

    @Test
    void layers_dependencies_pointDownOnly() {
        layeredArchitecture()
                .consideringOnlyDependenciesInLayers()
                .layer("cli")
                .definedBy(CLI)
                .layer("drivers")
                .definedBy(DRIVERS)
                .layer("API")
                .definedBy(API)
                .layer("ioctl")
                .definedBy(IOCTL)
                .layer("uapi")
                .definedBy(UAPI)
                .layer("kernel")
                .definedBy(KERNEL)
                .layer("kernel.linux")
                .definedBy(LINUX)
                .layer("emulator")
                .definedBy(EMULATOR)
                .layer("observe")
                .definedBy(OBSERVE)
                .whereLayer("cli")
                .mayNotBeAccessedByAnyLayer()
                .whereLayer("drivers")
                .mayOnlyAccessLayers("API", "kernel")
                .whereLayer("API")
                .mayOnlyAccessLayers("ioctl", "uapi", "kernel", "observe")
                .whereLayer("ioctl")
                .mayOnlyAccessLayers("uapi", "kernel")
                .whereLayer("uapi")
                .mayNotAccessAnyLayer()
                .whereLayer("kernel")
                .mayNotAccessAnyLayer()
                .whereLayer("kernel.linux")
                .mayOnlyAccessLayers("uapi", "kernel")
                .whereLayer("emulator")
                .mayOnlyAccessLayers("uapi", "kernel")
                .whereLayer("observe")
                .mayOnlyAccessLayers("ioctl", "uapi", "kernel", "emulator")
                .check(PROJECT);
    }

    @Test
    void classes_anyPackage_belongToALayer() {
        classes()
                .that()
                .doNotHaveFullyQualifiedName("module-info")
                .should()
                .resideInAnyPackage(CLI, DRIVERS, API, IOCTL, UAPI, KERNEL, LINUX, EMULATOR, OBSERVE)
                .check(PROJECT);
    }

    @Test
    void drivers_dependencies_publicApiOnly() {
        noClasses()
                .that()
                .resideInAPackage(DRIVERS)
                .should()
                .dependOnClassesThat(resideInAPackage(KERNEL).and(not(type(Errno.class))))
                .because("a driver may look at the errno of a failure, and leaves the system calls to the API")
                .check(PROJECT);
    }

    @Test
    void commonsCli_outsideTheCommand_notUsed() {
        noClasses()
                .that(resideOutsideOfPackage(CLI))
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.apache.commons.cli..")
                .check(PROJECT);
    }

    @Test
    void jackson_outsideWhatReadsAndWritesJson_notUsed() {
        noClasses()
                .that(resideOutsideOfPackages(CLI, "org.jvfio.emulator"))
                .and()
                .doNotHaveFullyQualifiedName("org.jvfio.observe.ChromeTrace")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("com.fasterxml.jackson..")
                .because("a user of the library who reads and writes no JSON need not have it")
                .check(PROJECT);
    }

    @Test
    void api_observation_onlyTheHookOfTheTraceProperty() {
        noClasses()
                .that()
                .resideInAPackage(API)
                .should()
                .dependOnClassesThat(resideInAPackage(OBSERVE).and(not(type(TraceProperty.class))))
                .because("a kernel is observed by a decorator, which the API is given or asks the property for")
                .check(PROJECT);
        noClasses()
                .that()
                .resideInAPackage(API)
                .and()
                .doNotBelongToAnyOf(
                        Container.class, IommuGroup.class, KernelLog.class, LockedMemory.class, PciFunction.class)
                .should()
                .dependOnClassesThat()
                .resideInAPackage(OBSERVE)
                .because("these are where a program gives its kernel to the library")
                .check(PROJECT);
    }

    @Test
    void module_exports_neitherIoctlsNorUapiNorCommand() {
        Set<String> exported = Kernel.class.getModule().getDescriptor().exports().stream()
                .map(ModuleDescriptor.Exports::source)
                .collect(Collectors.toSet());
        assertTrue(exported.contains(API));
        assertEquals(
                new TreeSet<String>(),
                PROJECT.stream()
                        .map(JavaClass::getPackageName)
                        .filter(exported::contains)
                        .filter(name -> name.equals(IOCTL) || name.equals(UAPI) || name.startsWith("org.jvfio.cli"))
                        .collect(Collectors.toCollection(TreeSet::new)));
    }

    @Test
    void publicTypes_simpleNames_differ() {
        Map<String, TreeSet<String>> bySimpleName = PROJECT.stream()
                .filter(type -> type.getModifiers().contains(JavaModifier.PUBLIC))
                .filter(JavaClass::isTopLevelClass)
                .filter(type -> !type.getPackageName().equals(UAPI))
                .collect(Collectors.groupingBy(
                        JavaClass::getSimpleName,
                        Collectors.mapping(JavaClass::getName, Collectors.toCollection(TreeSet::new))));
        bySimpleName.values().removeIf(names -> names.size() == 1);
        assertEquals(Map.of(), bySimpleName);
    }

    @Test
    void packages_dependencies_noCycles() {
        slices().assignedFrom(packages()).should().beFreeOfCycles().check(PROJECT);
    }

    @Test
    void emulator_dependencies_noDeviceModel() {
        noClasses()
                .that()
                .resideInAPackage("org.jvfio.emulator")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("org.jvfio.emulator.edu..", "org.jvfio.emulator.nvme..")
                .check(PROJECT);
    }

    @Test
    void deviceModels_classPathAndModule_same() throws IOException, URISyntaxException {
        URL compiled = Kernel.class.getProtectionDomain().getCodeSource().getLocation();
        List<String> onClassPath = Files.readAllLines(
                Path.of(compiled.toURI()).resolve("META-INF/services/" + DeviceModel.class.getName()));
        List<String> inModule = DeviceModel.class.getModule().getDescriptor().provides().stream()
                .filter(provided -> provided.service().equals(DeviceModel.class.getName()))
                .flatMap(provided -> provided.providers().stream())
                .toList();
        assertEquals(inModule, onClassPath);
        assertFalse(inModule.isEmpty());
    }

    @Test
    void packages_notGenerated_nullMarked() {
        var unmarked = PROJECT.stream()
                .map(JavaClass::getPackage)
                .filter(javaPackage -> javaPackage.getName().startsWith(API))
                .filter(javaPackage -> !javaPackage.getName().equals(UAPI))
                .filter(javaPackage -> !javaPackage.isAnnotatedWith(NullMarked.class))
                .map(JavaPackage::getName)
                .collect(Collectors.toCollection(TreeSet::new));
        assertEquals(new TreeSet<String>(), unmarked);
    }

    @Test
    void restrictedMethods_ofTheJdk_knownByAnnotation() {
        var restricted = new ClassFileImporter()
                .importClasses(MemorySegment.class, Linker.class, SymbolLookup.class, System.class).stream()
                        .flatMap(javaClass -> javaClass.getMethods().stream())
                        .filter(ArchitectureTest::isRestricted)
                        .map(JavaCodeUnit::getFullName)
                        .map(name -> name.substring(0, name.indexOf('(')))
                        .collect(Collectors.toCollection(TreeSet::new));
        assertTrue(
                restricted.containsAll(Set.of(
                        "java.lang.foreign.MemorySegment.reinterpret",
                        "java.lang.foreign.Linker.downcallHandle",
                        "java.lang.foreign.SymbolLookup.libraryLookup",
                        "java.lang.System.loadLibrary")),
                () -> "seen as restricted: " + restricted);
    }

    @Test
    void restrictedMethods_outsideTheLinuxKernel_notCalled() {
        var calls = PROJECT.stream()
                .filter(resideOutsideOfPackage(LINUX))
                .flatMap(caller -> caller.getCodeUnits().stream())
                .flatMap(codeUnit -> Stream.concat(
                        codeUnit.getMethodCallsFromSelf().stream(), codeUnit.getMethodReferencesFromSelf().stream()))
                .filter(call -> call.getTarget()
                        .resolveMember()
                        .filter(ArchitectureTest::isRestricted)
                        .isPresent())
                .map(JavaAccess::getDescription)
                .sorted()
                .toList();
        assertEquals(List.of(), calls);
    }

    private static boolean isRestricted(JavaCodeUnit codeUnit) {
        return codeUnit.isAnnotatedWith("jdk.internal.javac.Restricted");
    }

    private static SliceAssignment packages() {
        return new SliceAssignment() {
            @Override
            public SliceIdentifier getIdentifierOf(JavaClass javaClass) {
                return SliceIdentifier.of(javaClass.getPackageName());
            }

            @Override
            public String getDescription() {
                return "packages";
            }
        };
    }
}
