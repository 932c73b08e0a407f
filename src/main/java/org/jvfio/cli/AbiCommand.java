package org.jvfio.cli;

import static org.jvfio.uapi.vfio_h.VFIO_CHECK_EXTENSION;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_FEATURE;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_GET_INFO;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_GET_IRQ_INFO;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_GET_PCI_HOT_RESET_INFO;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_GET_REGION_INFO;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_IOEVENTFD;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_PCI_HOT_RESET;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_RESET;
import static org.jvfio.uapi.vfio_h.VFIO_DEVICE_SET_IRQS;
import static org.jvfio.uapi.vfio_h.VFIO_EEH_PE_OP;
import static org.jvfio.uapi.vfio_h.VFIO_GET_API_VERSION;
import static org.jvfio.uapi.vfio_h.VFIO_GROUP_GET_DEVICE_FD;
import static org.jvfio.uapi.vfio_h.VFIO_GROUP_GET_STATUS;
import static org.jvfio.uapi.vfio_h.VFIO_GROUP_SET_CONTAINER;
import static org.jvfio.uapi.vfio_h.VFIO_GROUP_UNSET_CONTAINER;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_DISABLE;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_ENABLE;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_MAP_DMA;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_REGISTER_MEMORY;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_TCE_GET_INFO;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_TCE_REMOVE;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY;
import static org.jvfio.uapi.vfio_h.VFIO_IOMMU_UNMAP_DMA;
import static org.jvfio.uapi.vfio_h.VFIO_SET_IOMMU;

import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemoryLayout.PathElement;
import java.lang.foreign.PaddingLayout;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import org.jvfio.uapi.vfio_device_feature;
import org.jvfio.uapi.vfio_device_info;
import org.jvfio.uapi.vfio_device_ioeventfd;
import org.jvfio.uapi.vfio_eeh_pe_op;
import org.jvfio.uapi.vfio_group_status;
import org.jvfio.uapi.vfio_iommu_spapr_register_memory;
import org.jvfio.uapi.vfio_iommu_spapr_tce_create;
import org.jvfio.uapi.vfio_iommu_spapr_tce_info;
import org.jvfio.uapi.vfio_iommu_spapr_tce_remove;
import org.jvfio.uapi.vfio_iommu_type1_dma_map;
import org.jvfio.uapi.vfio_iommu_type1_dma_unmap;
import org.jvfio.uapi.vfio_irq_info;
import org.jvfio.uapi.vfio_irq_set;
import org.jvfio.uapi.vfio_pci_hot_reset;
import org.jvfio.uapi.vfio_pci_hot_reset_info;
import org.jvfio.uapi.vfio_region_info;

/** {@code jvfio abi}: the numbers and structs of {@code linux/vfio.h}, for POWER and for other architectures. */
final class AbiCommand extends Command {
    /** {@code _IOC_NONE} of powerpc, which other architectures have as 0. */
    private static final int POWER_DIRECTION = 1 << 29;

    AbiCommand() {
        super("abi", "print the ioctl numbers and struct layouts of VFIO, for POWER and x86");
    }

    /** A request, with what it is made on, and the struct that it takes. */
    private record Request(String name, int number, String on, Optional<GroupLayout> struct) {
        private static Request of(String name, int number, String on) {
            return new Request(name, number, on, Optional.empty());
        }

        private static Request of(String name, int number, String on, GroupLayout struct) {
            return new Request(name, number, on, Optional.of(struct));
        }

        String structName() {
            return struct.flatMap(MemoryLayout::name).orElse("-");
        }
    }

    private static List<Request> requests() {
        return List.of(
                Request.of("VFIO_GET_API_VERSION", VFIO_GET_API_VERSION, "container"),
                Request.of("VFIO_CHECK_EXTENSION", VFIO_CHECK_EXTENSION, "container"),
                Request.of("VFIO_SET_IOMMU", VFIO_SET_IOMMU, "container"),
                Request.of("VFIO_GROUP_GET_STATUS", VFIO_GROUP_GET_STATUS, "group", vfio_group_status.layout()),
                Request.of("VFIO_GROUP_SET_CONTAINER", VFIO_GROUP_SET_CONTAINER, "group"),
                Request.of("VFIO_GROUP_UNSET_CONTAINER", VFIO_GROUP_UNSET_CONTAINER, "group"),
                Request.of("VFIO_GROUP_GET_DEVICE_FD", VFIO_GROUP_GET_DEVICE_FD, "group"),
                Request.of("VFIO_DEVICE_GET_INFO", VFIO_DEVICE_GET_INFO, "device", vfio_device_info.layout()),
                Request.of(
                        "VFIO_DEVICE_GET_REGION_INFO",
                        VFIO_DEVICE_GET_REGION_INFO,
                        "device",
                        vfio_region_info.layout()),
                Request.of("VFIO_DEVICE_GET_IRQ_INFO", VFIO_DEVICE_GET_IRQ_INFO, "device", vfio_irq_info.layout()),
                Request.of("VFIO_DEVICE_SET_IRQS", VFIO_DEVICE_SET_IRQS, "device", vfio_irq_set.layout()),
                Request.of("VFIO_DEVICE_RESET", VFIO_DEVICE_RESET, "device"),
                Request.of(
                        "VFIO_DEVICE_GET_PCI_HOT_RESET_INFO",
                        VFIO_DEVICE_GET_PCI_HOT_RESET_INFO,
                        "device",
                        vfio_pci_hot_reset_info.layout()),
                Request.of(
                        "VFIO_DEVICE_PCI_HOT_RESET", VFIO_DEVICE_PCI_HOT_RESET, "device", vfio_pci_hot_reset.layout()),
                Request.of("VFIO_DEVICE_IOEVENTFD", VFIO_DEVICE_IOEVENTFD, "device", vfio_device_ioeventfd.layout()),
                Request.of("VFIO_DEVICE_FEATURE", VFIO_DEVICE_FEATURE, "device", vfio_device_feature.layout()),
                Request.of(
                        "VFIO_IOMMU_SPAPR_TCE_GET_INFO",
                        VFIO_IOMMU_SPAPR_TCE_GET_INFO,
                        "container",
                        vfio_iommu_spapr_tce_info.layout()),
                Request.of("VFIO_IOMMU_MAP_DMA", VFIO_IOMMU_MAP_DMA, "container", vfio_iommu_type1_dma_map.layout()),
                Request.of(
                        "VFIO_IOMMU_UNMAP_DMA", VFIO_IOMMU_UNMAP_DMA, "container", vfio_iommu_type1_dma_unmap.layout()),
                Request.of("VFIO_IOMMU_ENABLE", VFIO_IOMMU_ENABLE, "container"),
                Request.of("VFIO_IOMMU_DISABLE", VFIO_IOMMU_DISABLE, "container"),
                Request.of(
                        "VFIO_IOMMU_SPAPR_REGISTER_MEMORY",
                        VFIO_IOMMU_SPAPR_REGISTER_MEMORY,
                        "container",
                        vfio_iommu_spapr_register_memory.layout()),
                Request.of(
                        "VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY",
                        VFIO_IOMMU_SPAPR_UNREGISTER_MEMORY,
                        "container",
                        vfio_iommu_spapr_register_memory.layout()),
                Request.of(
                        "VFIO_IOMMU_SPAPR_TCE_CREATE",
                        VFIO_IOMMU_SPAPR_TCE_CREATE,
                        "container",
                        vfio_iommu_spapr_tce_create.layout()),
                Request.of(
                        "VFIO_IOMMU_SPAPR_TCE_REMOVE",
                        VFIO_IOMMU_SPAPR_TCE_REMOVE,
                        "container",
                        vfio_iommu_spapr_tce_remove.layout()),
                Request.of("VFIO_EEH_PE_OP", VFIO_EEH_PE_OP, "container", vfio_eeh_pe_op.layout()));
    }

    @Override
    void describe(CommandSyntax syntax) {
        syntax.about(
                        "The numbers of powerpc differ from those of x86 in bit 29, which is its _IOC_NONE; the structs are the"
                                + " same on both.")
                .json(JsonShape.object("the interface")
                        .with(
                                "requests",
                                JsonShape.list(
                                        "by number",
                                        JsonShape.object("a request")
                                                .with("name", JsonShape.string("as linux/vfio.h has it"))
                                                .with("powerpc", JsonShape.address("its number on POWER"))
                                                .with("x86", JsonShape.address("its number on x86"))
                                                .with("on", JsonShape.string("the file it is made on"))
                                                .withOptional("struct", JsonShape.string("its argument"))))
                        .with(
                                "structs",
                                JsonShape.list(
                                        "the structs",
                                        JsonShape.object("a struct")
                                                .with("name", JsonShape.string("as linux/vfio.h has it"))
                                                .with("size", JsonShape.integer("bytes"))
                                                .with(
                                                        "fields",
                                                        JsonShape.list(
                                                                "in their order",
                                                                JsonShape.object("a field")
                                                                        .with("name", JsonShape.string("its name"))
                                                                        .with("offset", JsonShape.integer("bytes"))
                                                                        .with("size", JsonShape.integer("bytes")))))))
                .example("jvfio abi", "print the requests and structs")
                .example(
                        "jvfio abi --json | jq '.structs[] | select(.name == \"vfio_eeh_pe_op\")'", "print one struct");
    }

    /** A field, with that of a struct inside as {@code err.addr}. */
    private record Field(String name, long offset, long size) {}

    private static List<Field> fields(GroupLayout struct, String prefix, long start) {
        List<Field> fields = new ArrayList<>();
        for (MemoryLayout member : struct.memberLayouts()) {
            if (member instanceof PaddingLayout) {
                continue;
            }
            String name = member.name().orElse("?");
            long offset = start + struct.byteOffset(PathElement.groupElement(name));
            if (member instanceof GroupLayout inside) {
                // The generated name of an anonymous union is not one of C.
                String outer = name.startsWith("$anon$") ? prefix : prefix + name + ".";
                fields.addAll(fields(inside, outer, offset));
            } else {
                fields.add(new Field(prefix + name, offset, member.byteSize()));
            }
        }
        return fields;
    }

    private static Map<String, GroupLayout> structs(List<Request> requests) {
        Map<String, GroupLayout> structs = new TreeMap<>();
        requests.forEach(request -> {
            request.struct().ifPresent(struct -> structs.put(request.structName(), struct));
        });
        return structs;
    }

    @Override
    int run(Invocation in) {
        List<Request> requests = requests();
        if (in.json()) {
            in.out().println(Json.text(data(requests)));
            return 0;
        }
        Table table = new Table("REQUEST", "POWERPC", "X86", "ON", "STRUCT");
        requests.forEach(request -> table.row(
                request.name(),
                Json.hex(request.number()),
                Json.hex(request.number() & ~POWER_DIRECTION),
                request.on(),
                request.structName()));
        table.print(in.out(), in.terminal());
        structs(requests).forEach((name, struct) -> {
            in.out().println();
            in.out().println(in.terminal().bold("struct %s, %d bytes".formatted(name, struct.byteSize())));
            fields(struct, "", 0)
                    .forEach(field ->
                            in.out().println("  %3d  %-2d  %s".formatted(field.offset(), field.size(), field.name())));
        });
        return 0;
    }

    private static Map<String, Object> data(List<Request> requests) {
        List<Map<String, Object>> list = new ArrayList<>();
        for (Request request : requests) {
            Map<String, Object> each = Json.object(
                    "name",
                    request.name(),
                    "powerpc",
                    Json.hex(request.number()),
                    "x86",
                    Json.hex(request.number() & ~POWER_DIRECTION),
                    "on",
                    request.on());
            if (request.struct().isPresent()) {
                each.put("struct", request.structName());
            }
            list.add(each);
        }
        List<Map<String, Object>> structs = new ArrayList<>();
        structs(requests)
                .forEach((name, struct) -> structs.add(Json.object(
                        "name",
                        name,
                        "size",
                        struct.byteSize(),
                        "fields",
                        fields(struct, "", 0).stream()
                                .map(field -> Json.object(
                                        "name", field.name(), "offset", field.offset(), "size", field.size()))
                                .toList())));
        return Json.object("requests", list, "structs", structs);
    }
}
