package org.jvfio.cli;

import java.util.ArrayList;
import java.util.List;

/** The commands of a {@link DeviceSession}, which begin with one step each. */
final class HandCommands {
    private static final String DEVICE = "the device's PCI address; it must be bound to vfio-pci";
    private static final long DEFAULT_TIMEOUT = 10;
    private static final long MAX_TIMEOUT = 3600;

    private HandCommands() {}

    static List<Command> all() {
        return List.of(
                new Peek(),
                new Poke(),
                new ConfigRead(),
                new ConfigWrite(),
                new DmaAlloc(),
                new DmaFill(),
                new DmaDump(),
                new IrqWait());
    }

    private static final class Peek extends Command {
        private Peek() {
            super("peek", "read registers of a device");
        }

        @Override
        void describe(CommandSyntax syntax) {
            DeviceSession.addTo(syntax.argument("DEVICE", DEVICE)
                            .repeatedArgument(
                                    "REGISTER", "a register such as BAR0+0x10 or BAR0+0x10:8 (default: 4 bytes)"))
                    .example(
                            "jvfio peek 0002:01:00.0 BAR0+0x8 BAR0+0x0:8",
                            "read version and capabilities of an NVMe drive")
                    .example("jvfio peek 0000:01:00.0 BAR0 --order big", "read a big-endian register");
        }

        @Override
        int run(Invocation in) throws Failure {
            List<Register> registers = new ArrayList<>();
            for (String text : in.arguments().subList(1, in.arguments().size())) {
                registers.add(Register.ofBar(text));
            }
            return DeviceSession.run(in, in.arguments().getFirst(), session -> registers.forEach(session::peek));
        }
    }

    private static final class Poke extends Command {
        private Poke() {
            super("poke", "write a register of a device");
        }

        @Override
        void describe(CommandSyntax syntax) {
            DeviceSession.addTo(syntax.argument("DEVICE", DEVICE)
                            .argument("REGISTER", "a register such as BAR0+0x10 or BAR0+0x10:8 (default: 4 bytes)")
                            .argument("VALUE", "a number such as 16 or 0x10"))
                    .example(
                            "jvfio poke 0000:01:00.0 BAR0+0x4 0x1234 --then 'peek BAR0+0x4'",
                            "write the liveness register of edu, and read it back");
        }

        @Override
        int run(Invocation in) throws Failure {
            Register register = Register.ofBar(in.arguments().get(1));
            return DeviceSession.run(
                    in,
                    in.arguments().getFirst(),
                    session -> session.poke(register, in.arguments().get(2)));
        }
    }

    private static final class ConfigRead extends Command {
        private ConfigRead() {
            super("config read", "read registers of the configuration space, as VFIO shows it");
        }

        @Override
        void describe(CommandSyntax syntax) {
            DeviceSession.addTo(syntax.argument("DEVICE", DEVICE)
                            .repeatedArgument("OFFSET", "an offset such as 0x4 or 0x4:2 (default: 4 bytes)"))
                    .example("jvfio config read 0000:01:00.0 0x0:2 0x2:2", "read vendor and device");
        }

        @Override
        int run(Invocation in) throws Failure {
            List<Register> registers = new ArrayList<>();
            for (String text : in.arguments().subList(1, in.arguments().size())) {
                registers.add(Register.ofConfig(text));
            }
            return DeviceSession.run(in, in.arguments().getFirst(), session -> registers.forEach(session::peek));
        }
    }

    private static final class ConfigWrite extends Command {
        private ConfigWrite() {
            super("config write", "write a register of the configuration space");
        }

        @Override
        void describe(CommandSyntax syntax) {
            DeviceSession.addTo(syntax.argument("DEVICE", DEVICE)
                            .argument("OFFSET", "an offset such as 0x4 or 0x4:2 (default: 4 bytes)")
                            .argument("VALUE", "a number such as 6 or 0x6"))
                    .example(
                            "jvfio config write 0000:01:00.0 0x4:2 0x6 --then 'config read 0x4:2'",
                            "enable memory and bus mastering, and read the command register back");
        }

        @Override
        int run(Invocation in) throws Failure {
            Register register = Register.ofConfig(in.arguments().get(1));
            return DeviceSession.run(
                    in,
                    in.arguments().getFirst(),
                    session -> session.poke(register, in.arguments().get(2)));
        }
    }

    private static final class DmaAlloc extends Command {
        private DmaAlloc() {
            super("dma alloc", "allocate DMA memory, map it for a device and print its bus address");
        }

        @Override
        void describe(CommandSyntax syntax) {
            DeviceSession.addTo(syntax.argument("DEVICE", DEVICE).argument("SIZE", "bytes of memory, such as 64K"))
                    .example(
                            "jvfio dma alloc 0000:01:00.0 64K --order big --then 'dma fill 0 16 0x5a; poke BAR0+0x80:8 iova;"
                                    + " poke BAR0+0x88:8 0x40000; poke BAR0+0x90:8 16; poke BAR0+0x98:8 1; sleep 200'",
                            "let edu copy 16 bytes to its buffer");
        }

        @Override
        int run(Invocation in) throws Failure {
            long bytes = Invocation.bytes("SIZE", in.arguments().get(1));
            return DeviceSession.run(in, in.arguments().getFirst(), session -> session.allocate(bytes));
        }
    }

    private static final class DmaFill extends Command {
        private DmaFill() {
            super("dma fill", "allocate DMA memory that is filled with a byte");
        }

        @Override
        void describe(CommandSyntax syntax) {
            DeviceSession.addTo(syntax.argument("DEVICE", DEVICE)
                            .argument("SIZE", "bytes of memory, such as 64K")
                            .argument("BYTE", "a byte such as 0x5a"))
                    .example(
                            "jvfio dma fill 0000:01:00.0 4K 0x5a --then 'dma dump 0 32'", "fill a page and look at it");
        }

        @Override
        int run(Invocation in) throws Failure {
            long bytes = Invocation.bytes("SIZE", in.arguments().get(1));
            long value = DeviceSession.number(in.arguments().get(2));
            return DeviceSession.run(in, in.arguments().getFirst(), session -> {
                session.allocate(bytes);
                session.fill(0, bytes, value);
            });
        }
    }

    private static final class DmaDump extends Command {
        private DmaDump() {
            super("dma dump", "allocate DMA memory, do the steps of --then and print the memory");
        }

        @Override
        void describe(CommandSyntax syntax) {
            DeviceSession.addTo(syntax.argument("DEVICE", DEVICE).argument("SIZE", "bytes of memory, such as 64"))
                    .example(
                            "jvfio dma dump 0000:01:00.0 64 --order big --then 'poke BAR0+0x80:8 0x40000;"
                                    + " poke BAR0+0x88:8 iova; poke BAR0+0x90:8 64; poke BAR0+0x98:8 3; sleep 200'",
                            "print what edu writes from its buffer");
        }

        @Override
        int run(Invocation in) throws Failure {
            long bytes = Invocation.bytes("SIZE", in.arguments().get(1));
            return DeviceSession.run(
                    in,
                    in.arguments().getFirst(),
                    session -> session.allocate(bytes),
                    session -> session.dump(0, bytes));
        }
    }

    private static final class IrqWait extends Command {
        private IrqWait() {
            super("irq wait", "enable interrupts, do the steps of --then and wait for an interrupt");
        }

        @Override
        void describe(CommandSyntax syntax) {
            DeviceSession.addTo(syntax.argument("DEVICE", DEVICE)
                            .choice(
                                    "type",
                                    "TYPE",
                                    List.of("msix", "msi", "intx"),
                                    "wait for this type (default: the best one of the device)")
                            .option("timeout", "SECONDS", "wait this long at most (default: 10)"))
                    .status(1, "no interrupt came, or not done")
                    .example(
                            "jvfio irq wait 0000:01:00.0 --order big --then 'poke BAR0+0x60 0x1'",
                            "have edu raise an interrupt");
        }

        @Override
        int run(Invocation in) throws Failure {
            long seconds = in.number("timeout", DEFAULT_TIMEOUT, 0, MAX_TIMEOUT);
            String type = in.has("type") ? in.word("type", "msix", List.of("msix", "msi", "intx")) : "";
            boolean[] came = {false};
            int status = DeviceSession.run(
                    in,
                    in.arguments().getFirst(),
                    session -> {
                        if (type.isEmpty()) {
                            session.enableBest();
                        } else {
                            session.enable(type);
                        }
                    },
                    session -> came[0] = session.await(seconds));
            return status == 0 && !came[0] ? 1 : status;
        }
    }
}
