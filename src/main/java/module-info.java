/** Userspace drivers on POWER: VFIO with the SPAPR TCE IOMMU, on Linux and on an emulated kernel. */
module org.jvfio {
    requires jdk.jfr;
    requires static org.jspecify;

    // For the program that is made of a session of the shell, in a JVM of its own.
    requires static jdk.jshell;

    // For the locks that a sanitizer reports; it does without where the JVM has none.
    requires static java.management;

    // For the command and for machine files. Optional: they are resolved where another module requires them or
    // --add-modules names them.
    requires static org.apache.commons.cli;
    requires static com.fasterxml.jackson.core;
    requires static com.fasterxml.jackson.jr.ob;

    exports org.jvfio;
    exports org.jvfio.driver.edu;
    exports org.jvfio.driver.nvme;
    exports org.jvfio.emulator;
    exports org.jvfio.emulator.device;
    exports org.jvfio.emulator.edu;
    exports org.jvfio.emulator.nvme;
    exports org.jvfio.kernel;
    exports org.jvfio.kernel.linux;
    exports org.jvfio.observe;
    exports org.jvfio.observe.fault;
    exports org.jvfio.observe.sanitize;

    uses org.jvfio.emulator.device.DeviceModel;

    // As in META-INF/services, which counts on the class path.
    provides org.jvfio.emulator.device.DeviceModel with
            org.jvfio.emulator.edu.EduModel,
            org.jvfio.emulator.nvme.NvmeModel;
}
