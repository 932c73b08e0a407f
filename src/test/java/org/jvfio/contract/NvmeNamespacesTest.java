package org.jvfio.contract;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.jvfio.Device;
import org.jvfio.PciAddress;
import org.jvfio.VfioException;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.PciDevice;
import org.jvfio.driver.nvme.NvmeBuffer;
import org.jvfio.driver.nvme.NvmeCompletion;
import org.jvfio.driver.nvme.NvmeController;
import org.jvfio.driver.nvme.NvmeNamespace;
import org.jvfio.driver.nvme.NvmeOptions;
import org.jvfio.fixture.nvme.NamespaceExercise;

/**
 * The NVMe driver on every namespace of the host's drives, which may be overwritten. {@code scripts/power --nvme} and
 * {@code --namespace} give them other limits and formats:
 *
 * <ul>
 *   <li>{@code --namespace nsid=1 --namespace nsid=7,logical_block_size=4096,physical_block_size=4096,ms=8,mset=1}
 *   <li>{@code --namespace nsid=1,ms=64 --namespace nsid=2,zoned=on,zoned.zone_size=16M}
 *   <li>{@code --namespace nsid=1 --device nvme,serial=jvfio,subsys=subsystem}
 *   <li>{@code --nvme msix_qsize=2}, {@code --nvme mdts=9}
 * </ul>
 */
@ContractTest
class NvmeNamespacesTest extends Contract {
    NvmeNamespacesTest(ContractHost host) {
        super(host, host.startWatched());
    }

    private Device open(PciDevice drive) {
        return Device.open(process.kernel(), PciAddress.parse(drive.address()));
    }

    private static NvmeOptions options() {
        return NvmeOptions.builder().completion(NvmeCompletion.MSIX).build();
    }

    @Test
    void everyNamespace_usableOnes_writtenAndReadBack() {
        int used = 0;
        for (PciDevice drive : process.nvmes()) {
            try (Device device = open(drive);
                    NvmeController nvme = NvmeController.open(device, options())) {
                for (int id : nvme.namespaceIds()) {
                    used += use(nvme, id) ? 1 : 0;
                }
            }
        }
        assertTrue(used > 0, "namespaces that can be used");
    }

    /** A namespace that the driver does not support is refused with the reason, and its neighbours work. */
    private static boolean use(NvmeController nvme, int id) {
        NvmeNamespace namespace;
        try {
            namespace = nvme.namespace(id);
        } catch (VfioException refused) {
            assertEquals(VfioException.Kind.UNSUPPORTED, refused.kind(), refused::getMessage);
            assertTrue(
                    refused.reason().contains("Zoned Namespace Command Set (CSI 02h)")
                            || refused.reason().contains("protection information of type"),
                    refused::getMessage);
            return false;
        }
        new NamespaceExercise(nvme, namespace).run(id);
        return true;
    }

    /** Two controllers of a subsystem have the same namespaces: what one writes, the other reads. */
    @Test
    void sharedNamespace_twoControllers_sameData() {
        List<PciDevice> drives = process.nvmes();
        assumeTrue(drives.size() > 1, "the host has one controller");
        try (Device first = open(drives.get(0));
                Device second = open(drives.get(1));
                NvmeController writer = NvmeController.open(first, options());
                NvmeController reader = NvmeController.open(second, options())) {
            assumeTrue(
                    writer.identity().qualifiedName().equals(reader.identity().qualifiedName()),
                    "they are of two subsystems");
            assertTrue(writer.identity().sharesSubsystem() && reader.identity().sharesSubsystem());
            assertTrue(writer.identity().controllerId() != reader.identity().controllerId());
            assertEquals(writer.namespaceIds(), reader.namespaceIds());
            NvmeNamespace to = writer.namespace(writer.namespaceIds().getFirst());
            NvmeNamespace from = reader.namespace(to.id());
            assumeTrue(to.metadataBytes() == 0, "its blocks have metadata");
            try (NvmeBuffer out = writer.allocate(to.blockBytes());
                    NvmeBuffer in = reader.allocate(to.blockBytes())) {
                out.segment().fill((byte) 0x5a);
                to.write(3, 1, out);
                to.flush();
                from.read(3, 1, in);
                assertEquals(
                        -1,
                        out.segment()
                                .asSlice(0, to.blockBytes())
                                .mismatch(in.segment().asSlice(0, to.blockBytes())));
            }
        }
    }

    @Test
    void logs_ofTheDrive_readable() {
        try (Device device = open(process.nvmes().getFirst());
                NvmeController nvme = NvmeController.open(device, options())) {
            assertEquals(1, nvme.firmware().activeSlot());
            assertTrue(!nvme.firmware().revisions().getFirst().isEmpty());
            assertTrue(nvme.errorLog().size() <= nvme.identity().errorLogEntries());
        }
    }
}
