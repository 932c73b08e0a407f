package org.jvfio.observe;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Kernel;

/**
 * A kernel that logs each call as it begins and as it ends. VF tokens are left out: {@link
 * Secrets}.
 */
final class RecordingKernel extends ForwardingKernel {
    private final CallLog log;
    private final @Nullable DmaShadow shadow;
    private final Set<Integer> devices = ConcurrentHashMap.newKeySet();

    /**
     * Logs the calls of a kernel.
     *
     * @param shadow finds the changes of memory before each event; null to leave them out
     */
    RecordingKernel(Kernel behind, CallLog log, @Nullable DmaShadow shadow) {
        super(behind);
        this.log = log;
        this.shadow = shadow;
        if (shadow != null) {
            log.accompany(shadow);
        }
    }

    /** Logs a call that does not return: it has thrown an exception. */
    private RuntimeException thrown(RuntimeException exception) {
        log.end(Outcome.THREW, exception.toString());
        return exception;
    }

    @Override
    public int open(String path, int flags) {
        log.begin(CallKind.OPEN, flags, path);
        try {
            int answer = behind().open(path, flags);
            log.endOpening(answer, path);
            return answer;
        } catch (RuntimeException e) {
            throw thrown(e);
        }
    }

    @Override
    public int close(int fd) {
        log.begin(CallKind.CLOSE, fd);
        // Before the call: another thread may be given the number at once.
        devices.remove(fd);
        try {
            int answer = behind().close(fd);
            log.endClosing(fd, answer);
            return answer;
        } catch (RuntimeException e) {
            throw thrown(e);
        }
    }

    @Override
    public int ioctl(int fd, int request, long argument) {
        log.begin(CallKind.IOCTL_VALUE, fd, Integer.toUnsignedLong(request), argument);
        try {
            int answer = behind().ioctl(fd, request, argument);
            log.end(answer);
            return answer;
        } catch (RuntimeException e) {
            throw thrown(e);
        }
    }

    @Override
    public int ioctl(int fd, int request, MemorySegment argument) {
        FileKind kind = devices.contains(fd) ? FileKind.DEVICE : FileKind.OTHER;
        byte[] before = Secrets.without(kind, request, argument);
        MemorySegment given = MemorySegment.ofArray(before);
        log.begin(CallKind.IOCTL, fd, Integer.toUnsignedLong(request), given);
        try {
            int answer = behind().ioctl(fd, request, argument);
            if (answer >= 0 && request == Requests.GET_DEVICE_FD) {
                devices.add(answer);
                log.endOpening(answer, Secrets.name(before));
                return answer;
            }
            if (shadow != null && answer == 0) {
                shadow.mapped(fd, request, argument);
            }
            // Compared with what was given: a secret is never in what was written, as no call reads a token.
            byte[] after = Secrets.without(kind, request, argument);
            MemorySegment written = MemorySegment.ofArray(after);
            log.end(answer, written.mismatch(given) < 0 ? null : written, after.length);
            return answer;
        } catch (RuntimeException e) {
            throw thrown(e);
        }
    }

    @Override
    public long mmap(long length, int protection, int flags, int fd, long offset) {
        log.begin(CallKind.MMAP, new long[] {length, protection, flags, fd, offset});
        try {
            long answer = behind().mmap(length, protection, flags, fd, offset);
            log.end(answer);
            return answer;
        } catch (RuntimeException e) {
            throw thrown(e);
        }
    }

    @Override
    public int munmap(long address, long length) {
        log.begin(CallKind.MUNMAP, address, length);
        if (shadow != null) {
            shadow.freed(address, length);
        }
        try {
            int answer = behind().munmap(address, length);
            log.end(answer);
            return answer;
        } catch (RuntimeException e) {
            throw thrown(e);
        }
    }

    @Override
    public void adopt(MemorySegment memory) {
        log.begin(CallKind.ADOPT, memory.address(), memory.byteSize());
        try {
            behind().adopt(memory);
            log.end(0);
        } catch (RuntimeException e) {
            throw thrown(e);
        }
        if (shadow != null) {
            shadow.adopted(memory);
        }
    }

    @Override
    public void disown(MemorySegment memory) {
        log.begin(CallKind.DISOWN, memory.address(), memory.byteSize());
        if (shadow != null) {
            shadow.freed(memory.address(), memory.byteSize());
        }
        try {
            behind().disown(memory);
            log.end(0);
        } catch (RuntimeException e) {
            throw thrown(e);
        }
    }

    @Override
    public long pread(int fd, MemorySegment buffer, long offset) {
        log.begin(CallKind.PREAD, fd, buffer.byteSize(), offset);
        try {
            long answer = behind().pread(fd, buffer, offset);
            log.end(answer, answer > 0 ? buffer : null, answer);
            return answer;
        } catch (RuntimeException e) {
            throw thrown(e);
        }
    }

    @Override
    public long pwrite(int fd, MemorySegment buffer, long offset) {
        log.begin(CallKind.PWRITE, fd, buffer.byteSize(), offset, buffer);
        try {
            long answer = behind().pwrite(fd, buffer, offset);
            if (shadow != null && devices.contains(fd)) {
                shadow.settle(log);
                log.end(answer);
            } else {
                log.endPosted(answer);
            }
            return answer;
        } catch (RuntimeException e) {
            throw thrown(e);
        }
    }

    @Override
    public long read(int fd, MemorySegment buffer) {
        log.begin(CallKind.READ, fd, buffer.byteSize());
        try {
            long answer = behind().read(fd, buffer);
            log.end(answer, answer > 0 ? buffer : null, answer);
            return answer;
        } catch (RuntimeException e) {
            throw thrown(e);
        }
    }

    @Override
    public long write(int fd, MemorySegment buffer) {
        log.begin(CallKind.WRITE, fd, buffer.byteSize(), buffer);
        try {
            long answer = behind().write(fd, buffer);
            log.end(answer);
            return answer;
        } catch (RuntimeException e) {
            throw thrown(e);
        }
    }

    @Override
    public int eventfd(int initialValue, int flags) {
        log.begin(CallKind.EVENTFD, initialValue, flags);
        try {
            int answer = behind().eventfd(initialValue, flags);
            log.endOpening(answer, FileKind.EVENTFD_NAME);
            return answer;
        } catch (RuntimeException e) {
            throw thrown(e);
        }
    }

    @Override
    public int poll(MemorySegment pollfds, int timeoutMillis) {
        log.begin(CallKind.POLL, timeoutMillis, pollfds);
        try {
            int answer = behind().poll(pollfds, timeoutMillis);
            log.end(answer, pollfds, pollfds.byteSize());
            return answer;
        } catch (RuntimeException e) {
            throw thrown(e);
        }
    }

    @Override
    public int getrlimit(int resource, MemorySegment rlimit) {
        log.begin(CallKind.GETRLIMIT, resource);
        try {
            int answer = behind().getrlimit(resource, rlimit);
            log.end(answer, rlimit, rlimit.byteSize());
            return answer;
        } catch (RuntimeException e) {
            throw thrown(e);
        }
    }

    @Override
    public int setrlimit(int resource, MemorySegment rlimit) {
        log.begin(CallKind.SETRLIMIT, resource, rlimit);
        try {
            int answer = behind().setrlimit(resource, rlimit);
            log.end(answer);
            return answer;
        } catch (RuntimeException e) {
            throw thrown(e);
        }
    }

    @Override
    public long sysconf(int name) {
        log.begin(CallKind.SYSCONF, name);
        try {
            long answer = behind().sysconf(name);
            log.end(answer);
            return answer;
        } catch (RuntimeException e) {
            throw thrown(e);
        }
    }

    /** A call that reads a file. */
    private interface Reading<T> {
        T read(String path) throws IOException;
    }

    private <T> T reading(CallKind kind, String path, Reading<T> reading) throws IOException {
        log.begin(kind, path);
        try {
            T answer = reading.read(path);
            log.end(Outcome.RETURNED, answer instanceof List<?> names ? RecordedCall.join(names) : answer.toString());
            return answer;
        } catch (IOException e) {
            log.end(Outcome.of(e), Outcome.text(e));
            throw e;
        } catch (RuntimeException e) {
            throw thrown(e);
        }
    }

    @Override
    public String readFile(String path) throws IOException {
        return reading(CallKind.READ_FILE, path, behind()::readFile);
    }

    @Override
    public String readLink(String path) throws IOException {
        return reading(CallKind.READ_LINK, path, behind()::readLink);
    }

    @Override
    public List<String> list(String directory) throws IOException {
        return reading(CallKind.LIST, directory, behind()::list);
    }
}
