package org.jvfio.contract.host;

import java.util.List;
import java.util.Optional;
import org.jvfio.cli.Ran;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.kernel.Kernel;

/** Runs {@code jvfio} on the host of a process: as root, and as a user without rights. */
public interface CommandHost {

    /** The host of a process. */
    static CommandHost of(Kernel process) {
        return process instanceof EmulatedKernel emulated ? new Emulated(emulated) : new LinuxCommandHost();
    }

    /** Runs a command line as root. */
    Ran root(String line);

    /**
     * Runs command lines as a user, in a process of one login.
     *
     * @param memlockBytes the limit of locked memory that the login has
     */
    List<Ran> user(long memlockBytes, List<String> lines);

    /**
     * Runs {@code jvfio shell} as root, in a process of its own. Empty if the host is only in this process.
     *
     * @param arguments of the command
     * @param input the standard input
     */
    Optional<Ran> shell(String arguments, String input);

    /** Lets the user open the device file of a group, as the rule of {@code jvfio setup} has udev do. */
    void giveToUser(int group);

    /** Loads the kernel's driver of NVMe drives. */
    void loadNvmeDriver();

    /** Has the host swap on a drive that its driver has. Empty if this host cannot. */
    Optional<Swap> swapOn(String drive);

    /** Swap space that the host uses until this is closed. */
    interface Swap extends AutoCloseable {
        /** The block device. */
        String node();

        @Override
        void close();
    }

    /** An emulated host, which each command line gets as its own. */
    record Emulated(EmulatedKernel process) implements CommandHost {
        private static final String CHOICE = " --kernel emulated";

        @Override
        public Ran root(String line) {
            return Ran.on(process, line + CHOICE);
        }

        @Override
        public List<Ran> user(long memlockBytes, List<String> lines) {
            EmulatedKernel user = process.newUserProcess(memlockBytes);
            List<Ran> ran =
                    lines.stream().map(line -> Ran.on(user, line + CHOICE)).toList();
            user.exit();
            return ran;
        }

        @Override
        public Optional<Ran> shell(String arguments, String input) {
            return Optional.empty();
        }

        @Override
        public void giveToUser(int group) {
            process.host().usersMayOpenGroups(true);
        }

        @Override
        public void loadNvmeDriver() {
            // it is built in
        }

        @Override
        public Optional<Swap> swapOn(String drive) {
            return Optional.empty();
        }
    }
}
