package org.jvfio;

import java.lang.reflect.InvocationHandler;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Errno;
import org.jvfio.kernel.Kernel;

/** A kernel in front of another one that counts the system calls, and makes one of them fail. */
final class ObservedKernel implements InvocationHandler {
    private static final Set<String> SYSTEM_CALLS =
            Set.of("open", "close", "ioctl", "mmap", "munmap", "pread", "pwrite", "read", "getrlimit", "sysconf");
    // The kernel lets go of a descriptor or of memory even where it reports an error of the file behind it.
    private static final Set<String> DONE_ALTHOUGH_FAILED = Set.of("close", "munmap");

    private final Kernel behind;
    private final Kernel kernel;
    private int calls;
    private int failing = -1;
    private int failingRequest = -1;
    private long answer = Errno.EIO.negated();

    ObservedKernel(Kernel behind) {
        this.behind = behind;
        this.kernel =
                (Kernel) Proxy.newProxyInstance(Kernel.class.getClassLoader(), new Class<?>[] {Kernel.class}, this);
    }

    Kernel kernel() {
        return kernel;
    }

    /** How many system calls were made. */
    int calls() {
        return calls;
    }

    /** Makes the system call of this number fail, counted from 0. */
    void failCall(int number) {
        failing = number;
    }

    /** Makes every ioctl of this number answer so, from now on. */
    void failRequest(int request, long newAnswer) {
        failingRequest = request;
        answer = newAnswer;
    }

    /** Lets everything through again. */
    void heal() {
        failing = -1;
        failingRequest = -1;
    }

    @Override
    public @Nullable Object invoke(Object proxy, Method method, Object[] arguments) throws Throwable {
        try {
            if (!SYSTEM_CALLS.contains(method.getName())) {
                return method.invoke(behind, arguments);
            }
            boolean fails =
                    calls++ == failing || (method.getName().equals("ioctl") && arguments[1].equals(failingRequest));
            if (!fails) {
                return method.invoke(behind, arguments);
            }
            if (DONE_ALTHOUGH_FAILED.contains(method.getName())) {
                method.invoke(behind, arguments);
            }
            return method.getReturnType() == int.class ? (Object) (int) answer : (Object) answer;
        } catch (InvocationTargetException e) {
            throw e.getCause();
        }
    }
}
