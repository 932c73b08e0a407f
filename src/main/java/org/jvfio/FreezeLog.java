package org.jvfio;

import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.jvfio.kernel.Kernel;

/**
 * What the kernel log has about the error handling of a device's PE. Linux logs which PE it found frozen, fenced or
 * dead, and what it does about it ({@code arch/powerpc/kernel/eeh_driver.c}, {@code
 * arch/powerpc/platforms/powernv/eeh-powernv.c}), but nothing of most errors of a PE that a user has. An emulated host
 * also logs the DMA that failed.
 *
 * <p>The log is read when it is first asked for, and from there on when it is asked again. A log that cannot be read
 * has nothing to say.
 */
final class FreezeLog {
    private static final Pattern DMA_FAILED = Pattern.compile("DMA failed: ((\\S+) .*)");
    private static final String FROZEN = "EEH: Frozen ";

    private final Kernel kernel;
    private final PciAddress address;
    // Guards what follows; held during reads of the log and of sysfs.
    private final ReentrantLock lock = new ReentrantLock();
    private @Nullable KernelMessages messages;
    private @Nullable PeNames names;
    private @Nullable Finding newest;
    private String failedDma = "";
    private long failedDmaSequence;
    private boolean closed;

    /**
     * What the newest message about the PE says.
     *
     * @param text the message as {@code dmesg} prints it; of a DMA that failed, the sentence about it
     * @param failedDma whether it is about such a DMA; where there is EEH, about the one that froze the PE
     */
    record Finding(String text, boolean failedDma) {}

    /**
     * How messages about the PE are recognized; EEH names it by the PCI domain and the number that sysfs shows.
     *
     * @param eeh whether the kernel has EEH for it
     * @param error a message of EEH about the PE, or about its PHB
     * @param taken the message with which a user takes the group from the host
     */
    private record PeNames(boolean eeh, Pattern error, Pattern taken) {
        static PeNames of(Kernel kernel, PciAddress address) {
            Optional<String> number = Sysfs.find(kernel, "/sys/bus/pci/devices/" + address + "/eeh_pe_config_addr")
                    .map(text -> text.strip().replaceFirst("^0x0*(?=.)", ""))
                    .filter(text -> text.matches("[0-9a-f]+"));
            String pe = number.orElse("none");
            return new PeNames(
                    number.isPresent(),
                    Pattern.compile("EEH: .*\\bPHB#%x(-PE#%s)?\\b(?!-PE#).*".formatted(address.domain(), pe)),
                    Pattern.compile(
                            "pci %04x:.*\\[PE# *0*%s\\] Disabling 64-bit DMA bypass".formatted(address.domain(), pe)));
        }
    }

    FreezeLog(Kernel kernel, PciAddress address) {
        this.kernel = kernel;
        this.address = address;
    }

    /** The newest message about the PE since its group was taken from the host, and since it was recovered. */
    Optional<Finding> newest() {
        lock.lock();
        try {
            read();
            return Optional.ofNullable(newest);
        } finally {
            lock.unlock();
        }
    }

    /** A state of the PE with the newest message about it, as in {@code its PE is frozen (EEH state 2)}. */
    String describe(PeState state) {
        String plain = "its PE is " + state.withNumber();
        return newest().map(found -> found.failedDma() && state.isFrozen()
                        ? "PE %s: %s (EEH state %s)".formatted(state, found.text(), state.number())
                        : plain + "; the kernel log: " + found.text())
                .orElse(plain);
    }

    /** The newest message, for a PE whose state is not known; empty, or it begins with a semicolon. */
    String describe() {
        return newest().map(found ->
                        (found.failedDma() ? "; the newest failed DMA: " : "; the kernel log: ") + found.text())
                .orElse("");
    }

    /** The PE was recovered: the messages until now are no longer about its state. */
    void recovered() {
        lock.lock();
        try {
            if (messages != null) {
                read();
                newest = null;
            }
        } finally {
            lock.unlock();
        }
    }

    private void read() {
        if (closed) {
            return;
        }
        try {
            KernelMessages open = messages;
            if (open == null) {
                open = KernelMessages.open(kernel);
                messages = open;
            }
            PeNames known = names;
            if (known == null) {
                known = PeNames.of(kernel, address);
                names = known;
            }
            for (KernelMessages.Message message : open.read()) {
                note(known, message);
            }
        } catch (VfioException unreadable) {
            // A user who may not read the log or sysfs is told the state of the PE alone.
            newest = null;
        }
    }

    private void note(PeNames of, KernelMessages.Message message) {
        String text = message.text();
        Matcher dma = DMA_FAILED.matcher(text);
        if (dma.matches()) {
            if (dma.group(2).equals(address.toString())) {
                failedDma = dma.group(1);
                failedDmaSequence = message.sequence();
                newest = of.eeh() ? newest : new Finding(failedDma, true);
            }
        } else if (of.error().matcher(text).matches()) {
            // An emulated host logs a freeze right after the DMA that caused it.
            newest = text.startsWith(FROZEN) && !failedDma.isEmpty() && message.sequence() == failedDmaSequence + 1
                    ? new Finding(failedDma, true)
                    : new Finding(message.toString(), false);
        } else if (of.taken().matcher(text).matches()) {
            newest = null;
        }
    }

    /** Closes the log, which has nothing to say from now on. */
    void close() {
        lock.lock();
        try {
            closed = true;
            if (messages != null) {
                messages.close();
            }
        } finally {
            lock.unlock();
        }
    }
}
