package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.foreign.Arena;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.jvfio.WindowPlan.Step;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.emulator.HazardPolicy;
import org.jvfio.emulator.Platform;
import org.jvfio.emulator.WindowView;
import org.jvfio.ioctl.TceCreate;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/**
 * A plan knows what the kernel makes of every size, page and count of levels. A cell says what a table of so many
 * levels locks, and if the kernel makes the window larger, how large; or which error it answers.
 */
class WindowTableTest {
    private static final long HIGH = 1L << 59;
    private static final long DEFAULT_TABLE = 8L << 20;
    private static final Map<String, String> REASONS = Map.of(
            "EINVAL", "span more than the 55 address bits of a window",
            "ENOMEM", "the kernel can make at most 16M in one piece");

    private static long bytes(String text) {
        int unit = "KMGT".indexOf(text.charAt(text.length() - 1)) + 1;
        return Long.parseLong(text.substring(0, text.length() - 1)) << (10 * unit);
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            4K   | 1G   | 4M              | 4224K    | 4352K    | EINVAL | EINVAL
            4K   | 2G   | 8M              | 8320K    | 8448K    | EINVAL | EINVAL
            4K   | 4G   | 16M             | 16512K   | 16640K   | EINVAL | EINVAL
            4K   | 16G  | ENOMEM          | 65664K   | 65792K   | EINVAL | EINVAL
            4K   | 1T   | ENOMEM          | 4194560K | 4194944K | EINVAL | EINVAL
            64K  | 64K  | 128K as 512M    | 256K as 512M | EINVAL | EINVAL | EINVAL
            64K  | 256M | 128K as 512M    | 256K as 512M | EINVAL | EINVAL | EINVAL
            64K  | 1G   | 256K            | 384K     | EINVAL   | EINVAL | EINVAL
            64K  | 4G   | 1M              | 1152K    | EINVAL   | EINVAL | EINVAL
            64K  | 64G  | 16M             | 16512K   | EINVAL   | EINVAL | EINVAL
            64K  | 256G | ENOMEM          | 65664K   | EINVAL   | EINVAL | EINVAL
            64K  | 1T   | ENOMEM          | 262272K  | EINVAL   | EINVAL | EINVAL
            2M   | 1G   | 128K as 16G     | 256K as 16G | EINVAL | EINVAL | EINVAL
            2M   | 16G  | 128K            | 256K     | EINVAL   | EINVAL | EINVAL
            2M   | 1T   | 8M              | 8320K    | EINVAL   | EINVAL | EINVAL
            16M  | 1T   | 1M              | 1152K    | EINVAL   | EINVAL | EINVAL
            256M | 1T   | 128K as 2T      | 256K as 2T | EINVAL | EINVAL | EINVAL
            1G   | 1G   | 128K as 8T      | EINVAL   | EINVAL   | EINVAL | EINVAL
            1G   | 8T   | 128K            | EINVAL   | EINVAL   | EINVAL | EINVAL
            """)
    void planAndCreate_systemPages64K_tableOfSizes(
            String page, String window, String one, String two, String three, String four, String five) {
        assertTables(EmulatedMachine.power8(), page, window, List.of(one, two, three, four, five));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', textBlock = """
            4K   | 4K   | 8K as 2M        | 16K as 2M | 24K as 2M | 32K as 2M | EINVAL
            4K   | 2G   | 8M              | 8208K    | 8216K    | 8224K    | EINVAL
            4K   | 16G  | ENOMEM          | 65568K   | 65672K   | 65680K   | EINVAL
            64K  | 1G   | 256K            | 264K     | 272K     | 280K     | EINVAL
            64K  | 1T   | ENOMEM          | 262208K  | 262664K  | 262672K  | EINVAL
            2M   | 1G   | 8K              | 16K      | 24K      | EINVAL   | EINVAL
            16M  | 1T   | 1M              | 1032K    | 1040K    | EINVAL   | EINVAL
            256M | 1T   | 64K             | 72K      | EINVAL   | EINVAL   | EINVAL
            1G   | 1T   | 16K             | 24K      | EINVAL   | EINVAL   | EINVAL
            """)
    void planAndCreate_systemPages4K_tableOfSizes(
            String page, String window, String one, String two, String three, String four, String five) {
        EmulatedMachine machine = EmulatedMachine.power8().toBuilder().pages4K().build();
        assertTables(machine, page, window, List.of(one, two, three, four, five));
    }

    private static void assertTables(EmulatedMachine power8, String pageText, String sizeText, List<String> cells) {
        PageSize page = PageSize.of(bytes(pageText));
        boolean onPower9 = page.equals(PageSize.SIZE_2M) || page.equals(PageSize.SIZE_1G);
        EmulatedMachine machine = power8.toBuilder()
                .platform(onPower9 ? Platform.PHB4 : Platform.PHB3)
                .build();
        WindowRequest request = WindowRequest.of(bytes(sizeText))
                .pageSize(page)
                .memoryPageSize(PageSize.ofShift(Math.max(page.shift(), machine.pageShift())))
                .keepDefaultWindow();
        int fewest = 0;
        for (int levels = 1; levels <= cells.size(); levels++) {
            String cell = cells.get(levels - 1);
            if (REASONS.containsKey(cell)) {
                assertRefusedAsByTheKernel(machine, request.levels(levels), cell);
            } else {
                fewest = fewest == 0 ? levels : fewest;
                String[] parts = cell.split(" as ", 2);
                assertMade(machine, request.levels(levels), bytes(parts[0]), parts.length == 1 ? sizeText : parts[1]);
            }
        }
        assertEquals(fewest, created(new TestHost(machine), request).levels(), "levels without a wish");
    }

    /** The plan for a window of its own, whatever other plans there are. */
    private static WindowPlan created(TestHost host, WindowRequest request) {
        try (Container container = Container.open(host.kernel())) {
            container.attach(0);
            return created(container, request);
        }
    }

    private static WindowPlan created(Container container, WindowRequest request) {
        return container.planWindows(request).stream()
                .filter(plan -> plan.step() == Step.CREATE)
                .findFirst()
                .orElseThrow();
    }

    private static void assertMade(EmulatedMachine machine, WindowRequest request, long tableBytes, String size) {
        TestHost host = new TestHost(machine);
        try (Container container = Container.open(host.kernel())) {
            container.attach(0);
            WindowPlan plan = created(container, request);
            assertEquals(request.bytes(), plan.size());
            assertEquals(new IovaRange(HIGH, bytes(size)), plan.range());
            assertEquals(tableBytes, plan.tableBytes());
            assertEquals(tableBytes + DEFAULT_TABLE, plan.lockedBytes());

            DmaWindow window = container.apply(plan);
            WindowView real = host.group(0).windows().getLast();
            assertEquals(plan.range(), window.range());
            assertEquals(plan.range(), new IovaRange(real.start(), real.size()));
            assertEquals(plan.pageSize().shift(), real.pageShift());
            assertEquals(plan.levels(), real.levels());
            assertEquals(plan.lockedBytes(), host.process().lockedBytes());
            window.close();
            assertEquals(DEFAULT_TABLE, host.process().lockedBytes());
        }
        host.assertAllGivenBack();
    }

    private static void assertRefusedAsByTheKernel(EmulatedMachine machine, WindowRequest request, String error) {
        TestHost host =
                new TestHost(machine.toBuilder().hazards(HazardPolicy.AS_LINUX).build());
        try (Container container = Container.open(host.kernel())) {
            container.attach(0);
            VfioException e = assertThrows(VfioException.class, () -> container.planWindows(request));
            assertTrue(e.reason().contains(REASONS.get(error)), e.getMessage());
            assertEquals(0, host.observed().made(vfio_h.VFIO_IOMMU_SPAPR_TCE_CREATE));
            assertEquals(Errno.valueOf(error).negated(), kernelCreates(container, request), e.getMessage());
        }
    }

    private static int kernelCreates(Container container, WindowRequest request) {
        try (Arena arena = Arena.ofConfined()) {
            int pageShift = request.pageSize().orElseThrow().shift();
            return TceCreate.of(
                            arena, pageShift, request.bytes(), request.levels().orElseThrow())
                    .call(container.descriptor());
        }
    }
}
