/** Userspace drivers on POWER: VFIO with the SPAPR TCE IOMMU, on Linux and on an emulated kernel. */
module org.jvfio {
    requires static org.jspecify;
    requires org.apache.commons.cli;

    exports org.jvfio.kernel;
    exports org.jvfio.kernel.linux;
}
