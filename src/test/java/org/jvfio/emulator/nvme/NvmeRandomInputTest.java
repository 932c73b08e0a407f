package org.jvfio.emulator.nvme;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.jvfio.emulator.nvme.ControllerHost.CC;
import static org.jvfio.emulator.nvme.ControllerHost.CSTS;
import static org.jvfio.emulator.nvme.ControllerHost.PAGE;
import static org.jvfio.emulator.nvme.ControllerHost.READY;
import static org.jvfio.emulator.nvme.ControllerHost.assertSuccess;

import java.time.Duration;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.jvfio.emulator.nvme.NvmeFault.Commands;
import org.jvfio.emulator.nvme.NvmeFault.Effect;
import org.jvfio.emulator.nvme.NvmeFault.Occurrence;
import org.jvfio.fixture.nvme.NvmeEntry;
import org.jvfio.fixture.nvme.NvmeHostQueue;

/** Whatever a driver writes, the controller answers or refuses it, and works again after a reset. */
class NvmeRandomInputTest {
    private static final int[] OPCODES = {0, 1, 2, 4, 5, 6, 8, 9, 0x0a, 0x0c};
    private static final int[] REGISTERS = {0x00, 0x08, 0x0c, 0x10, 0x14, 0x1c, 0x20, 0x24, 0x28, 0x2c, 0x30, 0x34, 0x38
    };
    private static final int MEMORY_PAGES = 64;

    /** A number that is small, or at an edge, or anything. */
    private static int number(Random random) {
        return switch (random.nextInt(4)) {
            case 0 -> random.nextInt(4);
            case 1 -> random.nextInt(1 << random.nextInt(1, 31));
            case 2 -> -random.nextInt(1, 4);
            default -> random.nextInt();
        };
    }

    private static long address(Random random, long memory) {
        long page = memory + (long) random.nextInt(MEMORY_PAGES) * PAGE;
        return switch (random.nextInt(6)) {
            case 0 -> random.nextLong();
            case 1 -> page + random.nextInt(PAGE);
            case 2 -> memory + (long) MEMORY_PAGES * PAGE - 8;
            default -> page;
        };
    }

    private static NvmeEntry entry(Random random, long memory) {
        int opcode = random.nextInt(8) == 0 ? random.nextInt(256) : OPCODES[random.nextInt(OPCODES.length)];
        int flags = random.nextInt(16) == 0 ? random.nextInt(256) << 8 : 0;
        NvmeEntry entry = NvmeEntry.of(opcode | flags)
                .namespace(random.nextInt(4) == 0 ? number(random) : 1)
                .prp(address(random, memory), address(random, memory));
        for (int dword = 10; dword < 16; dword++) {
            entry.dword(dword, number(random));
        }
        return entry;
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void anyInput_random_resetRecovers(long seed) {
        Random random = new Random(seed);
        ControllerHost host = new ControllerHost(EmulatedNvme.builder()
                        .namespace(1 << 20)
                        .faults(NvmeFaults.seeded(seed)
                                .with(
                                        Commands.anyIo(),
                                        new Occurrence.Randomly(0.2),
                                        new Effect.Delay(Duration.ZERO, Duration.ofMillis(5)))))
                .enabled();
        long memory = host.pages(MEMORY_PAGES);
        NvmeHostQueue queue = host.createQueues(1, 16);
        for (int step = 0; step < 5000; step++) {
            switch (random.nextInt(10)) {
                case 0 -> {
                    int register = REGISTERS[random.nextInt(REGISTERS.length)];
                    int value = register == CC && random.nextBoolean() ? ControllerHost.ENABLED : number(random);
                    host.device().write(0, register & (random.nextInt(8) == 0 ? -8 : -1), 4, value);
                }
                case 1 -> host.device().write(0, 0x1000 + 4L * random.nextInt(140), 4, number(random));
                case 2 -> host.device().read(0, random.nextInt(0x4000 / 8) * 8L, 1 << random.nextInt(4));
                case 3 -> host.qword(memory + random.nextInt(MEMORY_PAGES * PAGE / 8) * 8L, address(random, memory));
                case 4 -> host.pass(Duration.ofMillis(random.nextInt(5)));
                case 5 -> host.admin().submit(entry(random, memory));
                default -> queue.submit(entry(random, memory));
            }
            if ((host.register(CSTS) & READY) == 0 && random.nextInt(20) == 0) {
                host.register(CC, 0);
                host.setAdminQueues();
                host.register(CC, ControllerHost.ENABLED);
            }
        }
        host.device().reset();
        assertEquals(0, host.register(CSTS));
        host.enabled();
        long log = host.pages(1);
        assertSuccess(host.admin(NvmeEntry.of(0x02).prp(log, 0).dword(10, 15 << 16 | 1)));
        assertTrue(host.qword(log) > 100, () -> host.qword(log) + " commands were refused");
        NvmeHostQueue fresh = host.createQueues(1, 16);
        fresh.submit(NvmeEntry.of(0).namespace(1));
        host.pass(Duration.ofMillis(5));
        assertSuccess(fresh.next());
    }
}
