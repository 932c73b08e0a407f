package org.jvfio.cli;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;

/** What {@code jvfio bench} measures, in the order in which it does. */
enum BenchOperation {
    WINDOW("window", "create and remove a window of 1G, 64K pages"),
    IOCTL("ioctl", "VFIO_GET_API_VERSION, the cheapest system call of VFIO"),
    MAP_4K("map-4k", "map and unmap 4K, prepared, in the default window"),
    MAP_64K("map-64k", "map and unmap 64K, prepared"),
    MAP_64K_UNPREPARED("map-64k-unprepared", "map 64K, and close the mapping"),
    MAP_1M("map-1m", "map and unmap 1M, prepared"),
    MAP_1G("map-1g", "map and unmap 1G, prepared"),
    MAP_PAGES("map-pages", "map and unmap 16M in one call; beside it page by page"),
    REGISTER_1G("register-1g", "register and unregister 1G of memory"),
    READ_MAPPED("read-mapped", "read a register by a load"),
    READ_MAPPED_BATCH("read-mapped-batch", "the same, one of 1000 reads in a batch"),
    WRITE_MAPPED("write-mapped", "write a register by a store"),
    READ_SYSCALL("read-syscall", "read a register by a system call"),
    EVENTFD("eventfd", "wake another thread by an eventfd, and be woken by it");

    private final String word;
    private final String text;

    BenchOperation(String word, String text) {
        this.word = word;
        this.text = text;
    }

    String word() {
        return word;
    }

    String text() {
        return text;
    }

    static List<String> words() {
        return Stream.of(values()).map(BenchOperation::word).toList();
    }

    static Optional<BenchOperation> of(String word) {
        return Arrays.stream(values()).filter(each -> each.word.equals(word)).findFirst();
    }

    boolean needsMuchMemory() {
        return this == MAP_1G || this == REGISTER_1G;
    }
}
