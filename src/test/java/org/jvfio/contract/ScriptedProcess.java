package org.jvfio.contract;

import java.util.function.Consumer;
import org.jvfio.kernel.CallScript;
import org.jvfio.kernel.Kernel;

/**
 * A process that runs scripts of calls.
 *
 * @param lockable gives it CAP_IPC_LOCK or takes it
 * @param end ends it; or in a process that goes on, lets go of all that it has mapped, but where memory leaked not of its
 *     addresses
 */
record ScriptedProcess(Kernel kernel, CallScript.Lockable lockable, Consumer<Boolean> end) {}
