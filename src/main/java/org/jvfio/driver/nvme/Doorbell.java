package org.jvfio.driver.nvme;

/** A doorbell of a queue. */
interface Doorbell {
    /**
     * Writes it. The caller has made a full fence after its last access to the queue's memory.
     *
     * @param index the tail of a submission queue, the head of a completion queue
     */
    void ring(int index);
}
