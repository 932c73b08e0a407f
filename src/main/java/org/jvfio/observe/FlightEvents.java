package org.jvfio.observe;

import jdk.jfr.Category;
import jdk.jfr.DataAmount;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;
import org.jspecify.annotations.Nullable;

/** The events of a flight recording. Each call is one of them; a {@link Freeze} comes with the call that found it. */
final class FlightEvents {
    private static final String JVFIO = "JVFIO";

    private FlightEvents() {}

    /** What all events of calls have. */
    @Category(JVFIO)
    @StackTrace(false)
    abstract static class CallEvent extends Event {
        @Label("Descriptor")
        int descriptor;

        @Label("Result")
        long result;

        @Label("Errno")
        @Description("Its name, if the call failed")
        @Nullable
        String errno;
    }

    /** An ioctl that maps or unmaps DMA memory. */
    @Name("jvfio.Map")
    @Label("DMA Mapping")
    static final class MapEvent extends CallEvent {
        @Label("Operation")
        @Nullable
        String operation;

        @Label("IOVA")
        long iova;

        @Label("Address")
        long vaddr;

        @Label("Size")
        @DataAmount
        long size;
    }

    /** Any other ioctl. */
    @Name("jvfio.Ioctl")
    @Label("Ioctl")
    static final class IoctlEvent extends CallEvent {
        @Label("Call")
        @Nullable
        String call;

        @Label("Written by the Kernel")
        @Nullable
        String written;
    }

    /** An access of a device's region by a system call. */
    @Name("jvfio.Register")
    @Label("Register Access")
    static final class RegisterEvent extends CallEvent {
        @Label("Write")
        boolean write;

        @Label("Region")
        int region;

        @Label("Offset")
        long offset;

        @Label("Width")
        @DataAmount
        long width;

        @Label("Value")
        @Description("Of 1, 2, 4 or 8 bytes, little-endian")
        long value;
    }

    /** An eventfd was read that had been signalled. */
    @Name("jvfio.Interrupt")
    @Label("Interrupt")
    static final class InterruptEvent extends CallEvent {
        @Label("Count")
        @Description("Signals since the eventfd was read before")
        long count;
    }

    /** Any other call. */
    @Name("jvfio.Call")
    @Label("System Call")
    static final class OtherEvent extends CallEvent {
        @Label("Call")
        @Nullable
        String call;

        @Label("Argument")
        @Nullable
        String argument;
    }

    /** EEH reports a PE that is not in its normal state. */
    @Name("jvfio.Freeze")
    @Label("Frozen PE")
    @Category(JVFIO)
    @StackTrace(false)
    static final class Freeze extends Event {
        @Label("Container")
        int descriptor;

        @Label("EEH State")
        @Description("VFIO_EEH_PE_STATE_* of linux/vfio.h")
        int state;
    }
}
