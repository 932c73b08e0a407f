package org.jvfio.observe;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.jvfio.uapi.vfio_device_feature;
import org.jvfio.uapi.vfio_h;

/** VF tokens, which are secrets of two drivers, and have no place in a record. */
final class Secrets {
    private static final byte[] TOKEN = " vf_token=".getBytes(StandardCharsets.US_ASCII);

    private Secrets() {}

    /**
     * The bytes of a struct, without the VF token behind the name of a device ({@code VFIO_GROUP_GET_DEVICE_FD}), and
     * with zeros for one that is set ({@code VFIO_DEVICE_FEATURE_PCI_VF_TOKEN}).
     */
    static byte[] without(FileKind file, int request, MemorySegment struct) {
        byte[] bytes = new byte[(int) Math.min(struct.byteSize(), Frame.MAX_DATA)];
        MemorySegment.copy(struct, ValueLayout.JAVA_BYTE, 0, bytes, 0, bytes.length);
        if (request == Requests.GET_DEVICE_FD) {
            return Arrays.copyOf(Arrays.copyOf(bytes, endOfName(bytes)), endOfName(bytes) + 1);
        }
        if (request == vfio_h.VFIO_DEVICE_FEATURE
                && file == FileKind.DEVICE
                && bytes.length > vfio_device_feature.sizeof()
                && (vfio_device_feature.flags(struct) & vfio_h.VFIO_DEVICE_FEATURE_MASK)
                        == vfio_h.VFIO_DEVICE_FEATURE_PCI_VF_TOKEN) {
            Arrays.fill(bytes, (int) vfio_device_feature.sizeof(), bytes.length, (byte) 0);
        }
        return bytes;
    }

    /** The name of a device in what {@link #without} has returned. */
    static String name(byte[] string) {
        return new String(string, 0, endOfName(string), StandardCharsets.UTF_8);
    }

    /** Where a C string, or the token in it, ends the name of a device. */
    private static int endOfName(byte[] string) {
        int end = 0;
        while (end < string.length && string[end] != 0 && !startsWithToken(string, end)) {
            end++;
        }
        return end;
    }

    private static boolean startsWithToken(byte[] string, int at) {
        return string.length - at >= TOKEN.length
                && Arrays.equals(string, at, at + TOKEN.length, TOKEN, 0, TOKEN.length);
    }
}
