package org.jvfio.cli;

import java.io.IOException;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Kernel;
import org.jvfio.kernel.linux.LinuxKernel;

/** The kernels that a command can be told to use with {@code --kernel}. */
enum KernelChoice {
    /** The one in this process, on any machine. */
    EMULATED {
        @Override
        Kernel open() {
            return EmulatedKernel.boot(EmulatedMachine.power8());
        }

        @Override
        String title() {
            return "an emulated POWER8 host";
        }
    },
    /** The one that this process runs on. */
    LINUX {
        @Override
        Kernel open() throws Failure {
            Optional<String> reason = LinuxKernel.unavailable();
            if (reason.isPresent()) {
                throw new Failure(Failure.FAILED, "cannot use --kernel linux: " + reason.get());
            }
            return LinuxKernel.open();
        }

        @Override
        String title() {
            return "this host";
        }
    };

    /**
     * The kernel that a user names.
     *
     * @throws Failure if there is none of that name
     */
    static KernelChoice of(String name) throws Failure {
        for (KernelChoice choice : values()) {
            if (choice.word().equals(name)) {
                return choice;
            }
        }
        throw new Failure(
                Failure.USAGE,
                "--kernel " + name + ": there is no such kernel, only " + String.join(" and ", words())
                        + Suggestion.of(name, words()));
    }

    private static List<String> words() {
        return Arrays.stream(values()).map(KernelChoice::word).toList();
    }

    /** Its name on the command line. */
    String word() {
        return name().toLowerCase(Locale.ROOT);
    }

    /** A process on it. */
    abstract Kernel open() throws Failure;

    /** Whose kernel it is, for people. */
    abstract String title();

    /** What kernel it is, for people: whose, and its release. */
    String describe(Kernel kernel) throws Failure {
        try {
            return "Linux %s, of %s"
                    .formatted(kernel.readFile("/proc/sys/kernel/osrelease").strip(), title());
        } catch (IOException e) {
            throw new Failure(Failure.FAILED, "cannot read which kernel it is: " + e);
        }
    }
}
