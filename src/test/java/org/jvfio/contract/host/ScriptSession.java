package org.jvfio.contract.host;

import java.util.List;
import org.jvfio.kernel.CallScript;
import org.jvfio.kernel.Kernel;

/**
 * One sequence of calls in one process: what each call answers, what it writes into its struct, and what is locked
 * then.
 */
public final class ScriptSession {
    /** What a process may lock more than it has locked when a sequence begins, if it has no CAP_IPC_LOCK. */
    private static final String LOCKABLE = "0x800000";

    private final CallScript script;
    private final long lockedBefore;
    private final long memlockBefore;

    public ScriptSession(Kernel kernel, CallScript.Lockable lockable) {
        script = new CallScript(kernel, lockable);
        lockedBefore = script.lockedBytes();
        memlockBefore = script.memlock();
        script.run("maylock " + LOCKABLE);
    }

    public String run(String call) {
        String answer = script.run(call);
        String written = script.written().isEmpty() ? "" : "; struct " + script.written();
        return answer + written + locked();
    }

    /**
     * Names a file of another process, of which this one has a descriptor now; or a negated errno. An older one is
     * closed.
     */
    public String receive(String file, int descriptor) {
        if (script.openFiles().contains(file)) {
            script.run("close " + file);
        }
        return script.opened(file, descriptor) + locked();
    }

    private String locked() {
        long locked = script.lockedBytes() - lockedBefore;
        return locked == 0 ? "" : "; locked 0x" + Long.toHexString(locked);
    }

    /** The descriptor of a file, or one that is bad. */
    public int descriptor(String file) {
        return script.descriptor(file);
    }

    /** The names of the files that are open, in the order of opening. */
    public List<String> openFiles() {
        return script.openFiles();
    }

    /** Closes all that is open, and gives the process its limits back: whether memory is locked that nobody unlocks. */
    public boolean end() {
        script.openFiles().reversed().forEach(file -> script.run("close " + file));
        boolean leaked = script.lockedBytes() != lockedBefore;
        script.run("lockable 1");
        script.run("memlock " + memlockBefore);
        script.close();
        return leaked;
    }
}
