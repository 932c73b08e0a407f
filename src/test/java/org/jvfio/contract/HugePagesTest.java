package org.jvfio.contract;

import static org.jvfio.contract.host.Answers.assertAnswer;
import static org.jvfio.kernel.Errno.EINVAL;

import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.jvfio.contract.host.Buffers;
import org.jvfio.contract.host.ContractHost;
import org.jvfio.contract.host.Edu;
import org.jvfio.contract.host.RawContainer;
import org.jvfio.contract.host.RawGroup;
import org.opentest4j.TestAbortedException;

/** Windows whose pages are larger than the system's, which take memory that has such pages only. */
@ContractTest
class HugePagesTest extends Contract {
    private static final int SHIFT_2M = 21;
    private static final int SHIFT_16M = 24;
    private static final int PAGES = 2;

    private final RawGroup group = openGroup();
    private final RawContainer container = v2(group);
    private final int shift;
    private final long page;
    private final long memory;

    HugePagesTest(ContractHost host) {
        super(host);
        OptionalLong small = process.hugeMemory(SHIFT_2M, (long) PAGES << SHIFT_2M);
        OptionalLong large = small.isPresent() ? small : process.hugeMemory(SHIFT_16M, (long) PAGES << SHIFT_16M);
        if (large.isEmpty()) {
            process.end();
            throw new TestAbortedException("this host has no free huge pages");
        }
        shift = small.isPresent() ? SHIFT_2M : SHIFT_16M;
        page = 1L << shift;
        memory = large.getAsLong();
        assertAnswer(0, container.remove(0));
    }

    @Test
    @Scenario("F6")
    void dma_windowOfHugePages_copies() {
        long window = container.createWindow(shift, 64 * GIB, 1);
        assertAnswer(0, container.register(memory, PAGES * page));
        assertAnswer(0, container.map(window + page, memory, PAGES * page));
        Buffers buffers = new Buffers(process, memory + page - Buffers.BYTES / 2);
        Edu edu = Edu.mastering(group.device(first.address()));
        edu.readMemory(window + 2 * page - Buffers.BYTES / 2, Edu.BUFFER_BYTES);
        edu.writeMemory(window + 2 * page, Edu.BUFFER_BYTES);
        buffers.assertCopied();
    }

    @Test
    void mapDma_hugePagesInWindowOfSystemPages_succeeds() {
        long window = container.createWindow(systemPageShift(), GIB, 1);
        assertAnswer(0, container.register(memory, page));
        assertAnswer(0, container.map(window, memory + process.pageSize(), page - process.pageSize()));
    }

    @Test
    @Scenario("F7")
    void mapDma_registeredLengthNotMultipleOfHugePage_einval() {
        long window = container.createWindow(shift, 64 * GIB, 1);
        assertAnswer(0, container.register(memory, page + 64 * KIB));
        assertAnswer(EINVAL, container.map(window + page, memory, page));
    }

    @Test
    @Scenario("F7")
    void mapDma_partOfHugePage_einval() {
        long window = container.createWindow(shift, 64 * GIB, 1);
        assertAnswer(0, container.register(memory, PAGES * page));
        assertAnswer(EINVAL, container.map(window + page, memory + page / 2, page));
        assertAnswer(EINVAL, container.map(window + page, memory, page / 2));
        assertAnswer(1, container.map(window + page / 2, memory, page));
    }

    @Test
    @Scenario("G18")
    void mapDma_pastEndOfSmallTable_succeedsUpToSystemPageOfEntries() {
        long window = container.createWindow(shift, page, 1);
        long end = window + (host.isPowernv() ? process.pageSize() / 8 * page : page);
        assertAnswer(0, container.register(memory, page));
        assertAnswer(0, container.map(end - page, memory, page));
    }
}
