package org.jvfio.cli;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import org.jvfio.Container;
import org.jvfio.PageSize;
import org.jvfio.WindowPlan;
import org.jvfio.WindowRequest;
import org.jvfio.kernel.Kernel;

/** {@code jvfio plan}: the DMA windows that would serve a driver. */
final class PlanCommand extends Command {
    private static final int MAX_MASK_BITS = 64;
    private static final int MAX_LEVELS = 5;

    PlanCommand() {
        super("plan", "print the DMA windows that suit given memory and address bits, with costs and reasons");
    }

    @Override
    void describe(CommandSyntax syntax) {
        HostChoice.addTo(syntax)
                .argument("GROUP", "the number of the IOMMU group, N of /dev/vfio/N")
                .argument("SIZE", "bytes that are mapped at a time, such as 256M or 4G")
                .option("mask", "BITS", "address bits of the device (default: 64)")
                .option("memory-page", "BYTES", "pages that the memory is made of (default: system pages)")
                .option("page", "BYTES", "use this IOMMU page size only")
                .option("levels", "NUMBER", "use this many levels of the TCE table only")
                .flag("keep-default", "keep the default window")
                .flag("best", "print the best plan only")
                .about("Nothing is created. The group is taken from the host for as long as it takes to ask.")
                .json(shape())
                .example("jvfio plan 0 4G --mask 40", "plan for 4 GiB and a device with 40 address bits")
                .example("jvfio plan 0 1G --memory-page 16M --machine power8", "plan for huge pages on POWER8");
    }

    private static JsonShape shape() {
        return JsonShape.object("the plans")
                .with(
                        "plans",
                        JsonShape.list(
                                "best first",
                                JsonShape.object("a plan")
                                        .with(
                                                "step",
                                                JsonShape.word(
                                                        "what is done", List.of("use", "create", "replace-default")))
                                        .with("start", JsonShape.address("first bus address"))
                                        .with("last", JsonShape.address("last bus address"))
                                        .with("size", JsonShape.integer("bytes asked of the kernel"))
                                        .with("pageSize", JsonShape.integer("bytes of an IOMMU page"))
                                        .with("levels", JsonShape.integer("levels of the TCE table"))
                                        .with("tableBytes", JsonShape.integer("locked memory of the TCE table"))
                                        .with(
                                                "lockedBytes",
                                                JsonShape.integer("change of locked memory, without the memory mapped"))
                                        .with("reasons", JsonShape.strings("why so"))));
    }

    @Override
    int run(Invocation in) throws Failure {
        HostChoice choice = HostChoice.of(in);
        int group = Devices.group(in.arguments().getFirst());
        WindowRequest request = request(in);
        Kernel kernel = choice.open(in);
        try (Container container = Container.open(kernel)) {
            container.attach(group);
            List<WindowPlan> plans = container.planWindows(request);
            List<WindowPlan> shown = in.has("best") ? plans.subList(0, 1) : plans;
            if (in.json()) {
                in.out()
                        .println(Json.text(Json.object(
                                "plans", shown.stream().map(PlanCommand::data).toList())));
            } else {
                shown.forEach(in.out()::println);
            }
        }
        return 0;
    }

    private static WindowRequest request(Invocation in) throws Failure {
        long size = Invocation.bytes("SIZE", in.arguments().get(1));
        try {
            WindowRequest request =
                    WindowRequest.of(size).dmaMaskBits((int) in.number("mask", MAX_MASK_BITS, 1, MAX_MASK_BITS));
            Optional<PageSize> memoryPage = page(in, "memory-page");
            if (memoryPage.isPresent()) {
                request = request.memoryPageSize(memoryPage.get());
            }
            Optional<PageSize> page = page(in, "page");
            if (page.isPresent()) {
                request = request.pageSize(page.get());
            }
            if (in.has("levels")) {
                request = request.levels((int) in.number("levels", 1, 1, MAX_LEVELS));
            }
            return in.has("keep-default") ? request.keepDefaultWindow() : request;
        } catch (IllegalArgumentException e) {
            throw Failure.usage("plan: " + e.getMessage());
        }
    }

    private static Optional<PageSize> page(Invocation in, String option) throws Failure {
        if (!in.has(option)) {
            return Optional.empty();
        }
        long bytes = in.bytes(option, 0);
        if (Long.bitCount(bytes) != 1) {
            throw Failure.usage("--" + option + " " + in.value(option).orElse("") + ": a page size is a power of two,"
                    + " such as 64K or 2M");
        }
        return Optional.of(PageSize.of(bytes));
    }

    private static Map<String, Object> data(WindowPlan plan) {
        return Json.object(
                "step",
                plan.step().name().toLowerCase(Locale.ROOT).replace('_', '-'),
                "start",
                Json.hex(plan.range().start()),
                "last",
                Json.hex(plan.range().last()),
                "size",
                plan.size(),
                "pageSize",
                plan.pageSize().bytes(),
                "levels",
                plan.levels(),
                "tableBytes",
                plan.tableBytes(),
                "lockedBytes",
                plan.lockedBytes(),
                "reasons",
                plan.reasons());
    }
}
