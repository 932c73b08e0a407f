package org.jvfio.emulator;

/**
 * A window of a partitionable endpoint.
 *
 * @param number 0 or 1
 * @param start its first bus address
 * @param size bytes
 * @param pageShift the size of its pages as a shift
 * @param levels how many levels its table has
 * @param tableBytes the bytes of table that exist; levels below the first come with the first entry in them
 * @param mappedPages how many of its pages are mapped
 */
public record WindowView(
        int number, long start, long size, int pageShift, int levels, long tableBytes, long mappedPages) {}
