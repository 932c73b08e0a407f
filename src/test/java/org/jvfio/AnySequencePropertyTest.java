package org.jvfio;

import java.lang.foreign.Arena;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.jvfio.emulator.EmulatedMachine;

/** Whatever is called in whatever order, and whatever the kernel refuses: in the end nothing is left, and no host harmed. */
class AnySequencePropertyTest {
    private static final long PAGE = 1L << 16;

    /** What is open, and a source of arguments right and wrong. */
    private static final class Session {
        private final Arena arena;
        private final Random random;
        private final Container container;
        private final List<Device> devices = new ArrayList<>();
        private final List<Group> groups = new ArrayList<>();
        private final List<DmaWindow> windows = new ArrayList<>();
        private final List<DmaMemory> memories = new ArrayList<>();
        private final List<DmaMapping> mappings = new ArrayList<>();

        private Session(Container container, Arena arena, Random random) {
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
                case 9 -> mappings.add(any(windows).map(any(memories), pages(4), pages(4), direction()));
                case 10 ->
                    mappings.add(
                            any(windows).prepareAt(pages(1 << 10), any(memories), pages(4), pages(4), direction()));
                case 11 -> mappings.addAll(any(windows).mapAll(ranges(), direction()));
                case 12 -> mappings.addAll(any(windows).mapScattered(ranges(), direction()));
                case 13 -> toggle(any(mappings));
                case 14 -> change();
                default -> close();
            }
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
                mappings.addAll(any(mappings).unmap(pages(3), pages(3)));
            } else {
                mappings.add(any(mappings).replace(any(memories), pages(3), direction()));
            }
        }

        private void close() throws VfioException {
            switch (random.nextInt(12)) {
                case 0 -> any(groups).close();
                case 1 -> any(devices).close();
                case 2, 3 -> any(windows).close();
                case 4, 5, 6 -> any(memories).close();
                default -> any(mappings).close();
            }
        }
    }

    @Property(tries = 300)
    void everythingIsGivenBack(
            @ForAll @Size(max = 60) List<@IntRange(max = 15) Integer> steps,
            @ForAll long seed,
            @ForAll boolean faults) {
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
            Session session = new Session(container, arena, random);
            for (int kind : List.of(0, 1, 2, 3, 4, 5, 9)) {
                attempt(() -> session.step(kind));
            }
            for (int kind : steps) {
                attempt(() -> session.step(kind));
            }
            attempt(container::close);
            host.assertAllGivenBack();
        }
    }

    /** A refusal, or the use of what is closed, may be answered; nothing else. */
    private static void attempt(Runnable step) {
        try {
            step.run();
        } catch (VfioException | IllegalStateException | IndexOutOfBoundsException expected) {
            // The next step finds the session as it is.
        }
    }
}
