package org.jvfio.driver.nvme;

/**
 * The sizes of a submission queue, its completion queue and its PRP lists.
 *
 * @param entries entries of each of the two queues, 2 to 65536
 * @param pageShift log2 of the controller's memory page size (CC.MPS)
 * @param listBytes bytes of the PRP list of one command ({@link PrpLists#listBytes})
 */
record QueueLayout(int entries, int pageShift, int listBytes) {
    static final int SUBMISSION_BYTES = 64;
    static final int COMPLETION_BYTES = 16;

    /** Commands that can be in flight: one fewer than entries, because a full ring would look empty. */
    int commands() {
        return entries - 1;
    }

    long pageSize() {
        return 1L << pageShift;
    }

    /** Bytes of the submission queue. */
    long submissionBytes() {
        return (long) entries * SUBMISSION_BYTES;
    }

    /** Bytes of the completion queue. */
    long completionBytes() {
        return (long) entries * COMPLETION_BYTES;
    }

    /** Bytes of a {@link DmaArea} that a pair of queues needs. */
    long memoryBytes() {
        return DmaArea.toPages(submissionBytes(), pageShift)
                + DmaArea.toPages(completionBytes(), pageShift)
                + DmaArea.toPages(PrpLists.memoryBytes(commands(), listBytes), pageShift);
    }
}
