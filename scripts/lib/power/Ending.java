package power;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/** What must not outlive this process, whatever ends it: QEMU, apt, and the directory for this run. */
final class Ending {
    private static final List<Process> PROCESSES = new ArrayList<>();
    private static volatile boolean begun;

    private Ending() {}

    static synchronized void add(Process process) {
        PROCESSES.removeIf(one -> !one.isAlive());
        PROCESSES.add(process);
    }

    static void deleteAtEnd(Path directory) {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> end(directory)));
    }

    /** Does not return once this process is being ended by a signal: what is missing then is no failure to report. */
    static void stopIfBegun() {
        while (begun) {
            LockSupport.park();
        }
    }

    private static synchronized void end(Path directory) {
        begun = true;
        for (Process process : PROCESSES) {
            // apt's methods are its children, and would go on.
            process.descendants().forEach(ProcessHandle::destroy);
            process.destroyForcibly();
        }
        for (Process process : PROCESSES) {
            try {
                process.waitFor();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
        try {
            Cache.delete(directory);
        } catch (IOException e) {
            System.err.println("power: " + directory + " cannot be removed: " + e.getMessage());
        }
    }
}
