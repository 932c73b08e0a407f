package org.jvfio.driver.nvme;

import java.util.EnumSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** The table of the drives that need an {@link NvmeQuirk}. */
public final class NvmeQuirks {
    private static final String LINUX = "Linux, drivers/nvme/host/pci.c, nvme_id_table";
    private static final String SPDK = "SPDK, lib/nvme/nvme_quirks.c";

    /**
     * A drive, or several of the same kind.
     *
     * @param vendorId its PCI vendor id
     * @param deviceId its PCI device id
     * @param model how its model number begins, where drives with other ones have the same ids; empty for any
     * @param name what it is
     * @param quirks what it needs
     * @param source where that is published
     */
    public record Row(
            int vendorId, int deviceId, Optional<String> model, String name, Set<NvmeQuirk> quirks, String source) {
        /** Copies the quirks. */
        public Row {
            quirks = Set.copyOf(quirks);
        }

        private boolean includes(int vendor, int device, String modelNumber) {
            return vendorId == vendor
                    && deviceId == device
                    && model.map(modelNumber::startsWith).orElse(true);
        }
    }

    private static final List<Row> ROWS = List.of(
            row(0x1c58, 0x0003, "HGST Ultrastar SN100", LINUX, NvmeQuirk.READY_CHECK_DELAY),
            row(0x1c58, 0x0023, "WDC Ultrastar SN200", LINUX, NvmeQuirk.READY_CHECK_DELAY),
            row(0x1bb1, 0x0100, "Seagate Nytro", LINUX, NvmeQuirk.READY_CHECK_DELAY),
            row(0x1c5f, 0x0540, "Memblaze PBlaze4", LINUX, NvmeQuirk.READY_CHECK_DELAY),
            row(0x144d, 0xa821, "Samsung PM1725", LINUX, NvmeQuirk.READY_CHECK_DELAY),
            row(0x144d, 0xa822, "Samsung PM1725a", LINUX, NvmeQuirk.READY_CHECK_DELAY, NvmeQuirk.NO_WRITE_ZEROES),
            row(0x144d, 0xa826, "Samsung PM1743", SPDK, NvmeQuirk.READY_CHECK_DELAY),
            // It shares its ids with the Samsung 970 EVO Plus, which needs no delay.
            new Row(
                    0x144d,
                    0xa808,
                    Optional.of("Samsung Portable SSD X5"),
                    "Samsung X5",
                    Set.of(NvmeQuirk.READY_CHECK_DELAY),
                    "Linux, drivers/nvme/host/core.c, core_quirks"),
            row(0x8086, 0x5845, "QEMU before 6.0", LINUX, NvmeQuirk.NO_NAMESPACE_LIST, NvmeQuirk.NO_WRITE_ZEROES),
            row(0x1d1d, 0x1f1f, "CNEX Labs Open-Channel SSD", SPDK, NvmeQuirk.NO_NAMESPACE_LIST),
            row(0x15b7, 0x5008, "Sandisk SN530", LINUX, NvmeQuirk.BROKEN_MSI),
            row(0x15b7, 0x5009, "Sandisk SN550", LINUX, NvmeQuirk.BROKEN_MSI),
            row(0x8086, 0xf1a5, "Intel 600P, P3100", LINUX, NvmeQuirk.NO_WRITE_ZEROES),
            row(0x1987, 0x5019, "Phison E19", LINUX, NvmeQuirk.NO_WRITE_ZEROES),
            row(0x1987, 0x5021, "Phison E21", LINUX, NvmeQuirk.NO_WRITE_ZEROES),
            row(0x1c5c, 0x1504, "SK Hynix PC400", LINUX, NvmeQuirk.NO_WRITE_ZEROES),
            row(0x1c5c, 0x1d59, "SK Hynix BC901", LINUX, NvmeQuirk.NO_WRITE_ZEROES),
            row(0x15b7, 0x2001, "Sandisk Skyhawk", LINUX, NvmeQuirk.NO_WRITE_ZEROES),
            row(0x1d97, 0x2263, "SPCC", LINUX, NvmeQuirk.NO_WRITE_ZEROES),
            row(0x144d, 0xa80b, "Samsung PM9B1", LINUX, NvmeQuirk.NO_WRITE_ZEROES),
            row(0x144d, 0xa809, "Samsung MZALQ256HBJD", LINUX, NvmeQuirk.NO_WRITE_ZEROES),
            row(0x1cc4, 0x6303, "UMIS RPJTJ512MGE1QDY", LINUX, NvmeQuirk.NO_WRITE_ZEROES),
            row(0x1cc4, 0x6302, "UMIS RPJTJ256MGE1QDY", LINUX, NvmeQuirk.NO_WRITE_ZEROES),
            row(0x2646, 0x5018, "Kingston OM8SFP4", LINUX, NvmeQuirk.NO_WRITE_ZEROES),
            row(0x2646, 0x5016, "Kingston OM3PGP4", LINUX, NvmeQuirk.NO_WRITE_ZEROES),
            row(0x2646, 0x501a, "Kingston OM8PGP4P", LINUX, NvmeQuirk.NO_WRITE_ZEROES),
            row(0x2646, 0x501b, "Kingston OM8PGP4Q", LINUX, NvmeQuirk.NO_WRITE_ZEROES),
            row(0x2646, 0x501e, "Kingston OM3PGP4Q", LINUX, NvmeQuirk.NO_WRITE_ZEROES),
            row(0x1d0f, 0x0061, "Amazon", LINUX, NvmeQuirk.DMA_48_BITS),
            row(0x1d0f, 0x0065, "Amazon", LINUX, NvmeQuirk.DMA_48_BITS),
            row(0x1d0f, 0x8061, "Amazon EBS", LINUX, NvmeQuirk.DMA_48_BITS),
            row(0x1d0f, 0xcd00, "Amazon", LINUX, NvmeQuirk.DMA_48_BITS),
            row(0x1d0f, 0xcd01, "Amazon", LINUX, NvmeQuirk.DMA_48_BITS),
            row(0x1d0f, 0xcd02, "Amazon", LINUX, NvmeQuirk.DMA_48_BITS),
            row(0x80ee, 0x4e56, "VirtualBox", SPDK, NvmeQuirk.QUEUE_CREATION_DELAY));

    private NvmeQuirks() {}

    private static Row row(int vendorId, int deviceId, String name, String source, NvmeQuirk first, NvmeQuirk... more) {
        return new Row(vendorId, deviceId, Optional.empty(), name, EnumSet.of(first, more), source);
    }

    /** All rows. */
    public static List<Row> rows() {
        return ROWS;
    }

    /**
     * The quirks of a drive.
     *
     * @param model its model number; empty before it is known
     */
    public static Set<NvmeQuirk> of(int vendorId, int deviceId, String model) {
        EnumSet<NvmeQuirk> found = EnumSet.noneOf(NvmeQuirk.class);
        ROWS.stream().filter(row -> row.includes(vendorId, deviceId, model)).forEach(row -> found.addAll(row.quirks()));
        return found;
    }
}
