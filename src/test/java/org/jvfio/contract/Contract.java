package org.jvfio.contract;

import static org.jvfio.contract.host.Answers.assertAnswer;

import org.junit.jupiter.api.AfterEach;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.PciDevice;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawDevice;
import org.jvfio.contract.host.RawGroup;
import org.jvfio.contract.host.VfioProcess;
import org.jvfio.uapi.vfio_h;

/** A test of one process on a host; when it ends, nothing of it may be left. */
abstract class Contract {
    static final long KIB = 1L << 10;
    static final long MIB = 1L << 20;
    static final long GIB = 1L << 30;
    static final long TIB = 1L << 40;
    /** Where a second window begins, on all platforms. */
    static final long SECOND_WINDOW = 1L << 59;

    final ContractHost host;
    final VfioProcess process;
    final TableBytes tableBytes;
    final PciDevice first;
    final PciDevice second;

    Contract(ContractHost host) {
        this(host, host.start());
    }

    Contract(ContractHost host, VfioProcess process) {
        this.host = host;
        this.process = process;
        tableBytes = new TableBytes(host, process);
        first = process.edus().get(0);
        second = process.edus().get(1);
    }

    @AfterEach
    void nothingIsLeft() {
        process.end();
    }

    /** A container with the first device's group in it, and no IOMMU. */
    final RawContainer containerWith(RawGroup group) {
        RawContainer container = process.openContainer();
        assertAnswer(0, group.setContainer(container));
        return container;
    }

    /** The NVMe controller, opened in a container of its own. */
    final RawDevice nvme() {
        PciDevice nvme = process.nvmes().getFirst();
        RawGroup group = process.openGroup(nvme.group());
        v2(group);
        return group.device(nvme.address());
    }

    final RawGroup openGroup() {
        return process.openGroup(first.group());
    }

    final RawContainer container(RawGroup group, int type) {
        RawContainer container = containerWith(group);
        assertAnswer(0, container.setIommu(type));
        return container;
    }

    /** A container of type 2 with the first device's group. */
    final RawContainer v1() {
        return container(openGroup(), vfio_h.VFIO_SPAPR_TCE_IOMMU);
    }

    /** A container of type 2, enabled. */
    final RawContainer enabledV1() {
        RawContainer container = v1();
        assertAnswer(0, container.enable());
        return container;
    }

    /** A container of type 7 with the first device's group. */
    final RawContainer v2() {
        return v2(openGroup());
    }

    final RawContainer v2(RawGroup group) {
        return container(group, vfio_h.VFIO_SPAPR_TCE_v2_IOMMU);
    }

    /**
     * The size of the system's pages as a shift: ordinary memory can be mapped in pages of this size or smaller ones.
     */
    final int systemPageShift() {
        return Long.numberOfTrailingZeros(process.pageSize());
    }
}
