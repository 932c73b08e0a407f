package org.jvfio.driver.nvme;

import org.jspecify.annotations.Nullable;

/** The I/O commands that a recovery found in flight: those that have ended, to be delivered, and how many were kept. */
final class EndedCommands {
    private @Nullable NvmeRequest first;
    private int completed;
    private int kept;
    private int failed;

    /** Starts with requests that have ended already. */
    EndedCommands(@Nullable NvmeRequest earlier) {
        first = earlier;
    }

    /** The list of requests to be delivered. */
    @Nullable
    NvmeRequest first() {
        return first;
    }

    /** Adds one that the controller had completed. */
    void completed(NvmeRequest request) {
        completed++;
        add(request);
    }

    /** Adds one that the driver has failed. */
    void failed(NvmeRequest request) {
        failed++;
        add(request);
    }

    private void add(NvmeRequest request) {
        request.next = first;
        first = request;
    }

    /** Counts one that stays in its slot. */
    void kept() {
        kept++;
    }

    int completedCount() {
        return completed;
    }

    int keptCount() {
        return kept;
    }

    int failedCount() {
        return failed;
    }
}
