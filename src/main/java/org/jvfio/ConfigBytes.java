package org.jvfio;

/** The registers of a configuration space, of which a capability list is read. All values are little-endian. */
interface ConfigBytes {
    /** The size in bytes: 256 or 4096, or less of a dump that an unprivileged user made. */
    long size();

    byte readByte(long offset);

    /** Reads 2 bytes at an even offset. */
    short readShort(long offset);

    /** Reads 4 bytes at a multiple of 4. */
    int readInt(long offset);

    /** The configuration space of an open device. */
    static ConfigBytes of(Region config) {
        return new ConfigBytes() {
            @Override
            public long size() {
                return config.size();
            }

            @Override
            public byte readByte(long offset) {
                return config.readByte(offset);
            }

            @Override
            public short readShort(long offset) {
                return config.readShort(offset);
            }

            @Override
            public int readInt(long offset) {
                return config.readInt(offset);
            }
        };
    }
}
