package org.jvfio.observe;

/** Where frames go: chunks of frames, each of which can be read without the others. Guarded by its user. */
interface FrameSink extends AutoCloseable {

    /**
     * Makes room for frames.
     *
     * @param bytes of the frames with their lengths
     * @param nanos the time, since the beginning of the record
     * @return whether a chunk begins, with this time as its base: threads and files have to be named again
     */
    boolean prepare(int bytes, long nanos);

    /** Adds a frame, for which {@link #prepare} has made room. */
    void append(byte[] frame, int length);

    @Override
    void close();
}
