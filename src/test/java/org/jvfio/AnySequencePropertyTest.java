package org.jvfio;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.jvfio.emulator.EmulatedMachine;

/**
 * Whatever is called in whatever order, and whatever the kernel refuses: in the end nothing is left, and no host
 * harmed.
 */
class AnySequencePropertyTest {
    private static final long PAGE = 1L << 16;

    /** What is open, and a source of arguments right and wrong. */
    private static final class Session {
        private final TestHost host;
        private final Arena arena;
        private final Random random;
        private final Container container;
        private final List<Device> devices = new ArrayList<>();
        private final List<Group> groups = new ArrayList<>();
        private final List<DmaWindow> windows = new ArrayList<>();
        private final List<DmaMemory> memories = new ArrayList<>();
        private final List<DmaMapping> mappings = new ArrayList<>();
        private final List<IovaReservation> reservations = new ArrayList<>();

        private Session(TestHost host, Container container, Arena arena, Random random) {
            this.host = host;
            this.container = container;
            this.arena = arena;
            this.random = random;
        }

        private <T> T any(List<T> list) {
            if (list.isEmpty()) {
                throw new IllegalStateException("there is none yet");
            }
            return list.get(random.nextInt(list.size()));
        }

        private long pages(int most) {
            return random.nextInt(8) == 0 ? random.nextLong() : random.nextInt(most) * PAGE;
        }

        private PageSize pageSize() {
            return List.of(PageSize.SIZE_4K, PageSize.SIZE_64K, PageSize.SIZE_2M, PageSize.SIZE_16M)
                    .get(random.nextInt(4));
        }

        private DmaDirection direction() {
            return any(List.of(DmaDirection.values()));
        }

        private MemoryRange anyRange() {
            return random.nextBoolean() ? any(memories).range() : any(memories).range(pages(4), pages(4));
        }

        private DmaConstraints limits() {
            return random.nextBoolean()
                    ? DmaConstraints.NONE
                    : new DmaConstraints(1 + random.nextInt(64), 1L << random.nextInt(62));
        }

        private WindowRequest request() {
            WindowRequest request =
                    WindowRequest.of(1 + Math.abs(pages(1 << 12) % (1L << 47))).dmaMaskBits(1 + random.nextInt(64));
            return random.nextBoolean() ? request : request.pageSize(pageSize()).memoryPageSize(pageSize());
        }

        private List<MemoryRange> ranges() {
            List<MemoryRange> ranges = new ArrayList<>();
            for (int i = random.nextInt(4); i > 0; i--) {
                ranges.add(any(memories).range(pages(4), pages(4)));
            }
            return ranges;
        }

        private void step(int kind) {
            switch (kind) {
                case 0 -> groups.add(container.attach(random.nextBoolean() ? TestHost.EDU : TestHost.OTHER_EDU));
                case 1 -> devices.add(any(groups).openDevice(random.nextBoolean() ? TestHost.EDU : TestHost.OTHER_EDU));
                case 2 -> any(devices).enableBusMastering();
                case 3 -> windows.add(container.defaultWindow());
                case 4 -> windows.add(container.createWindow(pageSize(), 1L << random.nextInt(40), random.nextInt(7)));
                case 5 -> memories.add(container.allocate(pages(6)));
                case 6 -> memories.add(container.allocate(pages(6), pageSize()));
                case 7 -> memories.add(container.register(arena.allocate(4 * PAGE, PAGE)));
                case 8 ->
                    memories.add(container.register(any(memories).segment().asSlice(random.nextInt(3) * PAGE, PAGE)));
                case 9 -> mappings.add(any(windows).map(any(memories).range(pages(4), pages(4)), direction()));
                case 10 ->
                    mappings.add(any(windows)
                            .prepareAt(pages(1 << 10), any(memories).range(pages(4), pages(4)), direction()));
                case 11 -> mappings.addAll(any(windows).mapAll(ranges(), direction()));
                case 12 -> mappings.addAll(any(windows).mapContiguous(ranges(), direction()));
                case 13 -> toggle(any(mappings));
                case 14 -> change();
                case 15 -> mappings.add(container.map(anyRange(), direction(), limits()));
                case 16 -> mappings.add(container.prepare(anyRange(), direction(), limits()));
                case 17 -> reservations.add(reserve(any(windows)));
                case 18 -> windows.add(container.apply(any(container.planWindows(request()))));
                case 19 -> mappings.addAll(any(windows).mapContiguous(ranges(), direction(), limits()));
                default -> close();
            }
        }

        /** The library knows all addresses of its windows, and the kernel's tables are as the library has them. */
        private void assertTrueToTheKernel() {
            if (!isVersion1()) {
                Set<IovaRange> made = container.windows().stream()
                        .filter(window -> !(window.isDefault() && container.isDefaultWindowPending()))
                        .map(DmaWindow::range)
                        .collect(Collectors.toSet());
                container.groups().forEach(group -> assertEquals(made, windowsOf(group)));
            }
            for (DmaWindow window : container.windows()) {
                List<IovaRange> used = new ArrayList<>();
                window.mappings().forEach(mapping -> used.add(mapping.range()));
                window.reservations().forEach(reservation -> used.add(reservation.range()));
                long usedBytes = used.stream().mapToLong(IovaRange::size).sum();
                assertEquals(window.range().size(), window.freeBytes() + usedBytes);
                used.sort(Comparator.comparing(IovaRange::start, Long::compareUnsigned));
                for (int i = 1; i < used.size(); i++) {
                    assertFalse(used.get(i - 1).overlaps(used.get(i)));
                }
                long mapped = window.mappings().stream()
                        .filter(DmaMapping::isMapped)
                        .mapToLong(mapping -> mapping.range().size())
                        .sum();
                for (int group : host.process().host().groups()) {
                    host.group(group).windows().stream()
                            .filter(view -> !host.group(group).ownedByHost())
                            .filter(view -> view.start() == window.range().start())
                            .forEach(view -> assertEquals(mapped, view.mappedPages() << view.pageShift()));
                }
            }
        }

        /** Closes all but the container and its groups, with which the kernel would give back whatever is left. */
        private void closeDma() {
            // What was registered of allocated memory came after it.
            memories.reversed().forEach(DmaMemory::close);
            // Registering tries again what could not be unregistered when it should have been.
            attempt(() -> container.allocate(PAGE).close());
            container.windows().forEach(DmaWindow::close);
        }

        private void assertNothingIsLeftButTheGroups() {
            assertEquals(0, host.process().registeredRegions(), "registered regions");
            assertEquals(0, host.process().lockedBytes(), "locked bytes");
            assertEquals(0, host.process().host().userMemoryBytes(), "bytes of memory");
            container.groups().forEach(group -> assertEquals(Set.of(), windowsOf(group)));
        }

        private Set<IovaRange> windowsOf(Group group) {
            return host.group(group.number()).windows().stream()
                    .map(view -> new IovaRange(view.start(), view.size()))
                    .collect(Collectors.toSet());
        }

        /** The library turns to version 1 where version 2 is refused; that keeps its window, and all of it locked. */
        private boolean isVersion1() {
            return !container.groups().isEmpty() && container.iommuVersion() == SpaprTceVersion.V1;
        }

        private IovaReservation reserve(DmaWindow window) {
            long start =
                    random.nextInt(8) == 0 ? random.nextLong() : window.range().start() + pages(1 << 10);
            return window.reserve(new IovaRange(start & -2, 1 + random.nextInt(2)));
        }

        private static void toggle(DmaMapping mapping) {
            if (mapping.isMapped()) {
                mapping.unmap();
            } else {
                mapping.map();
            }
        }

        private void change() {
            if (random.nextBoolean()) {
                mappings.addAll(any(mappings).unmapRange(pages(3), pages(3)));
            } else {
                DmaMapping old = any(mappings);
                mappings.add(old.replace(any(memories).range(pages(3), old.size()), direction()));
            }
        }

        private void close() throws VfioException {
            switch (random.nextInt(13)) {
                case 12 -> any(reservations).close();
                case 0 -> any(groups).close();
                case 1 -> any(devices).close();
                case 2, 3 -> any(windows).close();
                case 4, 5, 6 -> any(memories).close();
                default -> any(mappings).close();
            }
        }
    }

    @Property(tries = 400)
    void anyCalls_randomSequence_allReleased(
            @ForAll @Size(max = 60) List<@IntRange(max = 22) Integer> steps,
            @ForAll long seed,
            @ForAll boolean faults,
            @ForAll boolean closesDmaFirst) {
        TestHost host = new TestHost(EmulatedMachine.power8().toBuilder()
                .hugePages(1 << 24, 2)
                .capIpcLock((seed & 1) == 0)
                .memlockBytes(32 << 20)
                .build());
        Random random = new Random(seed);
        try (Arena arena = Arena.ofShared()) {
            Container container = Container.open(host.kernel());
            if (faults) {
                host.observed().failAtRandom(random);
            }
            Session session = new Session(host, container, arena, random);
            for (int kind : List.of(0, 1, 2, 3, 4, 5, 9)) {
                attempt(() -> session.step(kind));
            }
            for (int kind : steps) {
                attempt(() -> session.step(kind));
            }
            session.assertTrueToTheKernel();
            if (closesDmaFirst && !session.isVersion1()) {
                host.observed().heal();
                session.closeDma();
                session.assertNothingIsLeftButTheGroups();
            }
            attempt(container::close);
            host.assertAllGivenBack();
        }
    }

    /** A refusal, or the use of what is closed, may be answered; nothing else. */
    private static void attempt(Runnable step) {
        try {
            step.run();
        } catch (VfioException
                | IllegalArgumentException
                | IllegalStateException
                | IndexOutOfBoundsException expected) {
            // The next step finds the session as it is.
        }
    }
}
