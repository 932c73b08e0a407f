package org.jvfio;

import java.util.List;
import java.util.Map;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.TraceProperty;

/**
 * The kernel's log, {@code /dev/kmsg}. The platform logs there what it does with a group's windows and bypass.
 */
public final class KernelLog implements AutoCloseable {
    private final KernelMessages messages;
    private final OpenSite openSite;

    private KernelLog(KernelMessages messages) {
        this.messages = messages;
        this.openSite = new OpenSite("The kernel's log", Map.of());
    }

    /**
     * Opens the log, at its oldest record.
     *
     * @throws VfioException if it may not be read
     */
    public static KernelLog open(Kernel kernel) {
        KernelLog log = new KernelLog(KernelMessages.open(TraceProperty.observe(kernel)));
        log.openSite.watch(log);
        return log;
    }

    /**
     * The messages since the last call, oldest first; at the first call, all that the kernel still has. Messages that
     * were overwritten before they were read are missing.
     *
     * @throws VfioException if the log cannot be read
     */
    public List<String> read() {
        return messages.read().stream().map(KernelMessages.Message::text).toList();
    }

    @Override
    public void close() {
        openSite.closed();
        messages.close();
    }
}
