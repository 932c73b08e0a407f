package org.jvfio;

import java.lang.foreign.SegmentAllocator;
import org.jvfio.ioctl.MapDma;
import org.jvfio.ioctl.UnmapDma;

/** The structs of the calls that map and unmap. They are filled again for each mapping, or once for a prepared one. */
record MappingCalls(MapDma map, UnmapDma unmap) {

    static MappingCalls allocate(SegmentAllocator allocator) {
        return new MappingCalls(MapDma.of(allocator, 0, 0, 0, 0), UnmapDma.of(allocator, 0, 0));
    }
}
