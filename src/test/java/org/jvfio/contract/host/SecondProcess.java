package org.jvfio.contract.host;

import java.util.List;
import org.jvfio.emulator.EmulatedKernel;

/**
 * Another process than the one that runs a script, with memory of its own, and with files that it is given by that one.
 */
public interface SecondProcess {

    /** Makes a call in it: what {@link ScriptSession#run} answers there. */
    String run(String call);

    /**
     * Gives it a file of the first process. A descriptor of it may be bad; then what the kernel says of it is answered.
     */
    String receive(String file, int descriptor);

    /** The names of the files that it has open, in the order of opening. */
    List<String> openFiles();

    /** Closes and unmaps all that it has. */
    void end();

    /** Ends it as SIGKILL does, whatever it has open, and returns when it has ended. */
    void kill();

    /** Another process of the host of an emulated one. */
    static SecondProcess of(EmulatedKernel first) {
        EmulatedKernel kernel = first.newProcess();
        ScriptSession session = new ScriptSession(new KeptAddresses(kernel), kernel::capIpcLock);
        return new SecondProcess() {
            @Override
            public String run(String call) {
                return session.run(call);
            }

            @Override
            public String receive(String file, int descriptor) {
                return session.receive(file, kernel.receive(first, descriptor));
            }

            @Override
            public List<String> openFiles() {
                return session.openFiles();
            }

            @Override
            public void end() {
                session.end();
                kernel.exit();
            }

            @Override
            public void kill() {
                kernel.exit();
            }
        };
    }
}
