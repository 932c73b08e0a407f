package org.jvfio.emulator;

import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * A file of sysfs or procfs.
 *
 * @param mode its permissions, such as 0644
 * @param text what it says, if it is one of text
 * @param opener opens it
 */
record HostFile(int mode, @Nullable Supplier<String> text, Supplier<OpenFile> opener) {
    private static final int READABLE = 0444;
    private static final int WRITABLE = 0222;
    private static final int OTHERS = 0007;

    /** A text that everybody may read, and nobody may write. */
    static HostFile ofText(Supplier<String> text) {
        return new HostFile(READABLE, text, () -> new SysfsFile(SysfsFile.Content.ofText(text)));
    }

    /** A file that is no text. */
    static HostFile of(int mode, SysfsFile.Content content) {
        return new HostFile(mode, null, () -> new SysfsFile(content));
    }

    /**
     * Whether a process may open it: {@code kernfs_fop_open}, which refuses even root what the mode allows nobody.
     *
     * @param root whether the process has the capabilities of root, else it is another user
     */
    boolean allows(boolean reads, boolean writes, boolean root) {
        int allowed = root ? mode : mode & OTHERS;
        return (!reads || (allowed & READABLE) != 0) && (!writes || (allowed & WRITABLE) != 0);
    }
}
