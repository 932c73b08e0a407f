package org.jvfio.contract.host;

import static org.jvfio.uapi.vfio_h.MAP_HUGETLB;

import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.kernel.Kernel;

/**
 * An emulated kernel for a program that goes on using the addresses of what it unmapped: no other memory has them while
 * the process is there. Behind all that it maps is a page more, which it does not know of and does not unmap.
 */
public final class KeptAddresses {
    private static final long MORE = 1L << 16;

    private KeptAddresses() {}

    public static Kernel of(EmulatedKernel behind) {
        return (Kernel) Proxy.newProxyInstance(
                Kernel.class.getClassLoader(), new Class<?>[] {Kernel.class}, (_, call, words) -> {
                    // Huge pages are counted, and random calls do not unmap them.
                    boolean maps = call.getName().equals("mmap") && ((Integer) words[2] & MAP_HUGETLB) == 0;
                    try {
                        return maps
                                ? behind.mmap(
                                        (Long) words[0] + MORE,
                                        (Integer) words[1],
                                        (Integer) words[2],
                                        (Integer) words[3],
                                        (Long) words[4])
                                : call.invoke(behind, words);
                    } catch (InvocationTargetException e) {
                        throw e.getCause();
                    }
                });
    }
}
