package org.jvfio.contract.host;

import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.kernel.CallScript;
import org.jvfio.kernel.Kernel;

/**
 * A process that runs scripts of calls.
 *
 * @param lockable gives it CAP_IPC_LOCK or takes it
 * @param second another process of the same host, to begin with nothing open
 * @param newMessages what the kernel has logged since this was asked the last time
 * @param end ends it; or in a process that goes on, releases all that it has mapped, but where memory leaked not its
 *     addresses
 */
public record ScriptedProcess(
        Kernel kernel,
        CallScript.Lockable lockable,
        Supplier<SecondProcess> second,
        Supplier<List<String>> newMessages,
        Consumer<Boolean> end) {

    /** A process of an emulated kernel, which unmaps memory but keeps its addresses. */
    public static ScriptedProcess of(EmulatedKernel kernel, Runnable afterwards) {
        AtomicInteger seen = new AtomicInteger(kernel.host().log().size());
        return new ScriptedProcess(
                new KeptAddresses(kernel),
                kernel::capIpcLock,
                () -> SecondProcess.of(kernel),
                () -> {
                    List<String> log = kernel.host().log();
                    return log.subList(seen.getAndSet(log.size()), log.size());
                },
                _ -> {
                    kernel.exit();
                    afterwards.run();
                });
    }
}
