package org.jvfio.emulator;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.jvfio.kernel.CallScript;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

class UserMemoryTest {
    private static final int ANONYMOUS = vfio_h.MAP_PRIVATE | vfio_h.MAP_ANONYMOUS;
    private static final int READ_WRITE = vfio_h.PROT_READ | vfio_h.PROT_WRITE;
    private static final long PAGE = 1L << 16;

    private final EmulatedKernel kernel = EmulatedKernel.boot(
            EmulatedMachine.power9().toBuilder().hugePages(2 << 20, 4).build());

    private CallScript prepared() {
        CallScript script = new CallScript(kernel, kernel::capIpcLock);
        script.run("open c /dev/vfio/vfio");
        script.run("open g /dev/vfio/0");
        script.run("setcont g c");
        script.run("setiommu c 7");
        return script;
    }

    @Test
    void register_noAccess_efault() {
        try (CallScript script = prepared()) {
            assertEquals("0", script.run("none x 0x10000"));
            assertEquals("-1 EFAULT", script.run("reg c x 0x10000"));
            assertEquals("-1 EFAULT", script.run("vfio c 12 x"));
            assertEquals("-1 EFAULT", script.run("vfio g 3 x"));
        }
    }

    @Test
    void mmap_moreThanTheHostHas_enomem() {
        EmulatedKernel small = EmulatedKernel.boot(EmulatedMachine.power9().toBuilder()
                .memoryBytes(1L << 30)
                .hugePages(2 << 20, 128)
                .build());
        long pool = 256L << 20;
        EmulatedKernel other = small.newProcess();
        long half = small.mmap(512L << 20, READ_WRITE, ANONYMOUS, -1, 0);
        assertTrue(half > 0);
        assertEquals(Errno.ENOMEM.negated(), other.mmap((256L << 20) + 1, READ_WRITE, ANONYMOUS, -1, 0));
        assertTrue(other.mmap(256L << 20, READ_WRITE, ANONYMOUS, -1, 0) > 0);
        assertEquals(Errno.ENOMEM.negated(), other.mmap(1, READ_WRITE, ANONYMOUS, -1, 0));
        long huge = small.mmap(pool, READ_WRITE, ANONYMOUS | vfio_h.MAP_HUGETLB, -1, 0);
        assertTrue(huge > 0, "the pool is apart");
        assertEquals(0, small.munmap(huge, pool));
        assertEquals(Errno.ENOMEM.negated(), other.mmap(1, READ_WRITE, ANONYMOUS, -1, 0));
        assertEquals(0, small.munmap(half, 512L << 20));
        assertTrue(other.mmap(512L << 20, READ_WRITE, ANONYMOUS, -1, 0) > 0);
        other.exit();
        assertEquals(0, small.host().userMemoryBytes());
    }

    private static long residentBytes() throws IOException {
        String kilobytes = Files.readAllLines(Path.of("/proc/self/status")).stream()
                .filter(line -> line.startsWith("RssAnon:"))
                .findFirst()
                .orElseThrow()
                .replaceAll("[^0-9]", "");
        return Long.parseLong(kilobytes) << 10;
    }

    @Test
    void mmap_largeMapping_usesMemoryOfTouchedPagesOnly() throws IOException {
        long bytes = 4L << 30;
        long before = residentBytes();
        EmulatedKernel large = EmulatedKernel.boot(
                EmulatedMachine.power9().toBuilder().memoryBytes(bytes).build());
        long address = large.mmap(bytes, READ_WRITE, ANONYMOUS, -1, 0);
        assertTrue(address > 0);
        assertEquals(0, address % PAGE);
        MemorySegment memory = large.memory(address, bytes);
        assertEquals(0, memory.get(ValueLayout.JAVA_LONG, bytes - Long.BYTES));
        memory.set(ValueLayout.JAVA_LONG, bytes / 2, 42);
        assertEquals(42, memory.get(ValueLayout.JAVA_LONG, bytes / 2));
        assertEquals(0, memory.get(ValueLayout.JAVA_LONG, bytes / 2 + Long.BYTES));
        assertTrue(residentBytes() - before < bytes / 4);
        assertEquals(0, large.munmap(address, bytes));
        assertThrows(IllegalStateException.class, () -> memory.get(ValueLayout.JAVA_LONG, 0));
    }

    @Test
    void munmap_largePinnedMemory_keepsTheWrittenPages() {
        long bytes = 64L << 20;
        try (CallScript script = prepared()) {
            long address = kernel.mmap(bytes, READ_WRITE, ANONYMOUS, -1, 0);
            kernel.memory(address, bytes).set(ValueLayout.JAVA_LONG, bytes - PAGE, 42);
            assertEquals("0", script.run("reg c %d %d".formatted(address, bytes)));
            Backing backing = kernel.host().memory().at(1L << 32);
            assertEquals(address, backing.segment().address());
            assertEquals(0, kernel.munmap(address, bytes));
            assertTrue(backing.isFreed());
            assertEquals(42, backing.segment().get(ValueLayout.JAVA_LONG, bytes - PAGE));
            assertEquals(0, backing.segment().get(ValueLayout.JAVA_LONG, 0));
        }
        kernel.exit();
        assertEquals(0, kernel.host().userMemoryBytes());
    }

    @Test
    void mmap_anonymous_zeroedWholePages() {
        long address = kernel.mmap(1, READ_WRITE, ANONYMOUS, -1, 0);
        assertEquals(0, address % PAGE);
        MemorySegment memory = kernel.memory(address, PAGE);
        assertEquals(0, memory.get(ValueLayout.JAVA_LONG, PAGE - Long.BYTES));
        memory.set(ValueLayout.JAVA_LONG, 0, 42);
        assertEquals(42, kernel.memory(address, Long.BYTES).get(ValueLayout.JAVA_LONG, 0));
        assertThrows(IllegalArgumentException.class, () -> kernel.memory(address, PAGE + 1));
        assertEquals(0, kernel.munmap(address, 1));
        assertThrows(IllegalStateException.class, () -> memory.get(ValueLayout.JAVA_LONG, 0));
        assertEquals(0, kernel.host().userMemoryBytes());
    }

    @Test
    void mmap_addressesOfFreedMemory_fresh() {
        long address;
        long elsewhere;
        int attempts = 0;
        do {
            assertTrue(attempts++ < 1000, "no address came back");
            MemorySegment memory;
            try (Arena early = Arena.ofShared()) {
                memory = early.allocate(PAGE, PAGE);
                kernel.adopt(memory);
            }
            elsewhere = memory.address();
            address = kernel.mmap(PAGE, READ_WRITE, ANONYMOUS, -1, 0);
            assertEquals(0, kernel.munmap(address, PAGE));
            if (address != elsewhere) {
                kernel.disown(memory);
            }
            assertEquals(0, kernel.host().userMemoryBytes());
        } while (address != elsewhere);
    }

    @Test
    void map_unmappedAfterRegistration_works() {
        try (CallScript script = prepared()) {
            assertEquals("0", script.run("mem m 0x10000"));
            assertEquals("0", script.run("reg c m 0x10000"));
            assertEquals("0", script.run("free m 0x10000"));
            assertEquals("0", script.run("map c m 0 0x10000"));
            assertTrue(kernel.host().userMemoryBytes() >= PAGE);
            assertEquals("0 size=10000", script.run("unmap c 0 0x10000"));
            assertEquals("0", script.run("unreg c m 0x10000"));
            assertEquals(0, kernel.host().userMemoryBytes());
        }
    }

    @Test
    void map_overMappedV1_oldPageUnpinned() {
        try (CallScript script = new CallScript(kernel, kernel::capIpcLock)) {
            script.run("open c /dev/vfio/vfio");
            script.run("open g /dev/vfio/0");
            script.run("setcont g c");
            assertEquals("0", script.run("setiommu c 2"));
            assertEquals("0", script.run("enable c"));
            long first = mapped(PAGE);
            long second = mapped(PAGE);
            assertEquals("0", script.run("map c " + first + " 0x10000 0x1000"));
            assertEquals(0, kernel.munmap(first, PAGE));
            assertEquals(2 * PAGE, kernel.host().userMemoryBytes(), "pinned");
            assertEquals("0", script.run("map c " + second + " 0x10000 0x1000"));
            assertEquals(PAGE, kernel.host().userMemoryBytes());
            assertEquals(0, kernel.munmap(second, PAGE));
            assertEquals(PAGE, kernel.host().userMemoryBytes(), "pinned");
            assertEquals("0 size=1000", script.run("unmap c 0x10000 0x1000"));
            assertEquals(0, kernel.host().userMemoryBytes());
        }
    }

    private long mapped(long bytes) {
        return kernel.mmap(bytes, READ_WRITE, ANONYMOUS, -1, 0);
    }

    @Test
    void register_holeInTheMiddle_pagesBeforeIt() {
        try (CallScript script = prepared()) {
            script.run("mem m 0x40000");
            assertEquals("0", script.run("free m+0x30000 0x10000"));
            assertEquals("3", script.run("reg c m 0x40000"));
            assertEquals("-1 EFAULT", script.run("reg c m+0x30000 0x10000"));
            assertEquals(0, kernel.registeredRegions());
            assertEquals(0, kernel.lockedBytes());
            assertEquals("0", script.run("reg c m 0x30000"));
        }
    }

    @Test
    void map_largeIommuPages_needHugePages() {
        int huge = ANONYMOUS | vfio_h.MAP_HUGETLB | (21 << vfio_h.MAP_HUGE_SHIFT);
        try (CallScript script = prepared()) {
            long address = kernel.mmap(2L << 20, READ_WRITE, huge, -1, 0);
            assertEquals(0, address % (2 << 20));
            String at = "0x" + Long.toHexString(address);
            assertEquals("0", script.run("remove c 0"));
            assertEquals("0 start=0", script.run("create c 21 0x40000000 1"));
            assertEquals("0", script.run("reg c " + at + " 0x200000"));
            assertEquals("0", script.run("map c " + at + " 0x200000 0x200000"));
            script.run("mem m 0x400000");
            assertEquals("0", script.run("reg c m 0x400000"));
            assertEquals("-1 EINVAL", script.run("map c m 0 0x200000"));
            assertEquals(Errno.EINVAL.negated(), kernel.munmap(address, PAGE));
        }
    }

    @Test
    void mmap_hugePagePoolEmpty_enomem() {
        int huge = ANONYMOUS | vfio_h.MAP_HUGETLB;
        assertEquals(Errno.ENOMEM.negated(), kernel.mmap(10L << 20, READ_WRITE, huge, -1, 0));
        long all = kernel.mmap(8L << 20, READ_WRITE, huge, -1, 0);
        assertTrue(all > 0);
        assertEquals(Errno.ENOMEM.negated(), kernel.mmap(1, READ_WRITE, huge, -1, 0));
        assertEquals(0, kernel.munmap(all, 8 << 20));
        assertTrue(kernel.mmap(1, READ_WRITE, huge, -1, 0) > 0);
        int wrongSize = huge | (24 << vfio_h.MAP_HUGE_SHIFT);
        assertEquals(Errno.EINVAL.negated(), kernel.mmap(1, READ_WRITE, wrongSize, -1, 0));
    }

    @Test
    void ioctl_heapSegment_illegalArgument() {
        MemorySegment heap = MemorySegment.ofArray(new long[4]);
        assertThrows(IllegalArgumentException.class, () -> kernel.ioctl(3, vfio_h.VFIO_GROUP_GET_STATUS, heap));
    }
}
