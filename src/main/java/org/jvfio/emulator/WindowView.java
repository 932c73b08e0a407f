package org.jvfio.emulator;

/**
 * A snapshot of a window of a partitionable endpoint.
 *
 * @param number 0 or 1
 * @param start its first bus address
 * @param size bytes
 * @param pageShift its IOMMU page size as a shift
 * @param levels the number of levels of its table
 * @param tableBytes the allocated size of its table in bytes; levels below the first are allocated at first use
 * @param mappedPages how many of its pages are mapped
 */
public record WindowView(
        int number, long start, long size, int pageShift, int levels, long tableBytes, long mappedPages) {}
