package org.jvfio.emulator;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.jvfio.kernel.Errno;
import org.jvfio.uapi.vfio_h;

/**
 * The user's view of configuration space through vfio-pci ({@code vfio_pci_config.c}): some bits come from a virtual
 * copy that is made when the device is opened, the others from the device, and only some of either are writable.
 */
final class VfioConfig {
    private static final int UNASSIGNED = -1;
    private static final int HEADER = 0;
    private static final int ALL = -1;
    private static final int BARS = 6;
    /** How many steps {@code vfio_cap_init} makes. */
    private static final int MAX_CAPABILITIES =
            (vfio_h.PCI_CFG_SPACE_SIZE - vfio_h.PCI_STD_HEADER_SIZEOF) / Integer.BYTES;

    /** The pointer to the next capability in an extended header. */
    private static final int NEXT_SHIFT = 20;

    private static final int NEXT_MASK = 0xffc << NEXT_SHIFT;
    /** {@code PCI_X_CMD} and {@code PCI_X_ECC_CSR}. */
    private static final int PCIX_COMMAND = 2;

    private static final int PCIX_ECC_CONTROL = 8;

    private static final int UNCORRECTABLE_ERRORS = vfio_h.PCI_ERR_UNC_UND
            | vfio_h.PCI_ERR_UNC_DLP
            | vfio_h.PCI_ERR_UNC_SURPDN
            | vfio_h.PCI_ERR_UNC_POISON_TLP
            | vfio_h.PCI_ERR_UNC_FCP
            | vfio_h.PCI_ERR_UNC_COMP_TIME
            | vfio_h.PCI_ERR_UNC_COMP_ABORT
            | vfio_h.PCI_ERR_UNC_UNX_COMP
            | vfio_h.PCI_ERR_UNC_RX_OVER
            | vfio_h.PCI_ERR_UNC_MALF_TLP
            | vfio_h.PCI_ERR_UNC_ECRC
            | vfio_h.PCI_ERR_UNC_UNSUP
            | vfio_h.PCI_ERR_UNC_ACSV
            | vfio_h.PCI_ERR_UNC_INTN
            | vfio_h.PCI_ERR_UNC_MCBTLP
            | vfio_h.PCI_ERR_UNC_ATOMEG
            | vfio_h.PCI_ERR_UNC_TLPPRE;
    private static final int CORRECTABLE_ERRORS = vfio_h.PCI_ERR_COR_RCVR
            | vfio_h.PCI_ERR_COR_BAD_TLP
            | vfio_h.PCI_ERR_COR_BAD_DLLP
            | vfio_h.PCI_ERR_COR_REP_ROLL
            | vfio_h.PCI_ERR_COR_REP_TIMER
            | vfio_h.PCI_ERR_COR_ADV_NFAT
            | vfio_h.PCI_ERR_COR_INTERNAL
            | vfio_h.PCI_ERR_COR_LOG_OVER;

    private final PciFunction function;
    private final ConfigRegisters hardware;
    private final CapabilityLengths lengths;
    private final ByteBuffer copy;
    /** The bits that come from the virtual copy. */
    private final byte[] virtual;
    /** The bits that a user may write. */
    private final byte[] writable;
    /** The bytes whose reads access the device even if the virtual copy provides the value. */
    private final boolean[] asksDevice;
    /** The offset of the capability that a register belongs to. */
    private final int[] owner;
    /** The end of what {@link #allow} gives permissions for: the header, or the last capability. */
    private int end;
    /** Whether the kernel has looked for extended capabilities. */
    private boolean hasExtended;

    /** The view of a device at the time it is opened. */
    VfioConfig(PciFunction function, ConfigRegisters hardware) {
        this.function = function;
        this.hardware = hardware;
        lengths = new CapabilityLengths(hardware);
        int size = hardware.found().configBytes();
        copy = ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
        virtual = new byte[size];
        writable = new byte[size];
        asksDevice = new boolean[size];
        owner = new int[size];
        Arrays.fill(owner, vfio_h.PCI_STD_HEADER_SIZEOF, size, UNASSIGNED);
        Arrays.fill(writable, vfio_h.PCI_STD_HEADER_SIZEOF, size, (byte) ALL);
        end = vfio_h.PCI_STD_HEADER_SIZEOF;
        fill(HEADER, end);
        allowHeader();
        showCapabilities();
    }

    private void fill(int from, int bytes) {
        for (int register = from; register < from + bytes; register++) {
            copy.put(register, function.access().register(register));
        }
    }

    private void allow(int register, int bytes, int virtualBits, int writableBits) {
        for (int each = 0; each < bytes && register + each < end; each++) {
            virtual[register + each] = (byte) (virtualBits >>> (each * Byte.SIZE));
            writable[register + each] = (byte) (writableBits >>> (each * Byte.SIZE));
        }
    }

    private void allowHeader() {
        allow(vfio_h.PCI_VENDOR_ID, Short.BYTES, ALL, 0);
        allow(vfio_h.PCI_DEVICE_ID, Short.BYTES, ALL, 0);
        allow(vfio_h.PCI_COMMAND, Short.BYTES, vfio_h.PCI_COMMAND_INTX_DISABLE, ALL);
        allow(vfio_h.PCI_STATUS, Short.BYTES, vfio_h.PCI_STATUS_CAP_LIST, 0);
        allow(vfio_h.PCI_CACHE_LINE_SIZE, 1, 0, ALL);
        allow(vfio_h.PCI_LATENCY_TIMER, 1, 0, ALL);
        allow(vfio_h.PCI_BIST, 1, 0, ALL);
        for (int bar = 0; bar < BARS; bar++) {
            allow(ConfigRegisters.barRegister(bar), Integer.BYTES, ALL, ALL);
        }
        allow(vfio_h.PCI_ROM_ADDRESS, Integer.BYTES, ALL, ALL);
        allow(vfio_h.PCI_CAPABILITY_LIST, 1, ALL, 0);
        allow(vfio_h.PCI_INTERRUPT_LINE, 1, ALL, ALL);
        allow(vfio_h.PCI_INTERRUPT_PIN, 1, ALL, 0);
    }

    private void showCapabilities() {
        if ((copy.getShort(vfio_h.PCI_STATUS) & vfio_h.PCI_STATUS_CAP_LIST) != 0 && !showsStandard()) {
            int status = copy.getShort(vfio_h.PCI_STATUS) & ~vfio_h.PCI_STATUS_CAP_LIST;
            copy.putShort(vfio_h.PCI_STATUS, (short) status);
        }
        if (hasExtended && hardware.getInt(vfio_h.PCI_CFG_SPACE_SIZE) != 0) {
            showExtended();
        }
    }

    /** {@code vfio_cap_init}: unlinks the capabilities that are hidden; whether any is shown. */
    private boolean showsStandard() {
        int link = vfio_h.PCI_CAPABILITY_LIST;
        int place = hardware.get(link) & 0xff;
        boolean any = false;
        for (int left = MAX_CAPABILITIES; left > 0 && place != 0; left--) {
            int at = place & ~0x3;
            if (at < vfio_h.PCI_STD_HEADER_SIZEOF) {
                return any;
            }
            int id = hardware.get(at) & 0xff;
            int next = hardware.get(at + vfio_h.PCI_CAP_LIST_NEXT) & 0xff;
            int bytes = lengths.standard(id, at);
            if (bytes == 0) {
                copy.put(link, (byte) next);
            } else {
                show(at, Math.min(bytes, vfio_h.PCI_CFG_SPACE_SIZE - at));
                allowStandard(id, at);
                boolean linksExtended =
                        id == vfio_h.PCI_CAP_ID_EXP || (id == vfio_h.PCI_CAP_ID_PCIX && lengths.isPcixVersion2(at));
                hasExtended |= linksExtended && copy.capacity() > vfio_h.PCI_CFG_SPACE_SIZE;
                link = at + vfio_h.PCI_CAP_LIST_NEXT;
                any = true;
            }
            place = next;
        }
        return any;
    }

    /** {@code vfio_ecap_init}: unlinks the capabilities that are hidden, except the first, which loses its id. */
    private void showExtended() {
        int previous = 0;
        int place = vfio_h.PCI_CFG_SPACE_SIZE;
        boolean any = false;
        int most = (copy.capacity() - vfio_h.PCI_CFG_SPACE_SIZE) / Integer.BYTES;
        for (int left = most; left > 0 && place >= vfio_h.PCI_CFG_SPACE_SIZE; left--) {
            int header = hardware.getInt(place);
            int id = header & 0xffff;
            int next = header >>> NEXT_SHIFT & ~0x3;
            int bytes = lengths.extended(id, place);
            if (bytes == 0 && previous != 0) {
                copy.putInt(previous, (copy.getInt(previous) & ~NEXT_MASK) | next << NEXT_SHIFT);
            } else {
                show(place, bytes == 0 ? Integer.BYTES : Math.min(bytes, copy.capacity() - place));
                if (bytes == 0) {
                    copy.putInt(place, header & NEXT_MASK);
                    allow(place, Integer.BYTES, ALL, 0);
                } else {
                    allowExtended(id, place);
                    any = true;
                }
                previous = place;
            }
            place = next;
        }
        if (!any) {
            copy.putInt(vfio_h.PCI_CFG_SPACE_SIZE, 0);
        }
    }

    /** By default, reads go to the device, and nothing is writable. */
    private void show(int place, int bytes) {
        end = place + bytes;
        fill(place, bytes);
        Arrays.fill(owner, place, end, place);
        Arrays.fill(virtual, place, end, (byte) 0);
        Arrays.fill(writable, place, end, (byte) 0);
        Arrays.fill(asksDevice, place, end, false);
    }

    private void allowStandard(int id, int place) {
        allow(place + vfio_h.PCI_CAP_LIST_NEXT, 1, ALL, 0);
        switch (id) {
            case vfio_h.PCI_CAP_ID_PM -> allowPower(place);
            case vfio_h.PCI_CAP_ID_MSI -> allowMessages(place);
            case vfio_h.PCI_CAP_ID_EXP -> {
                allow(
                        place + vfio_h.PCI_EXP_DEVCTL,
                        Short.BYTES,
                        vfio_h.PCI_EXP_DEVCTL_BCR_FLR | vfio_h.PCI_EXP_DEVCTL_PAYLOAD | vfio_h.PCI_EXP_DEVCTL_READRQ,
                        ~vfio_h.PCI_EXP_DEVCTL_PHANTOM);
                allow(place + vfio_h.PCI_EXP_DEVCTL2, Short.BYTES, 0, ~vfio_h.PCI_EXP_DEVCTL2_ARI);
            }
            case vfio_h.PCI_CAP_ID_VPD -> {
                allow(place + vfio_h.PCI_VPD_ADDR, Short.BYTES, ALL, ALL);
                allow(place + vfio_h.PCI_VPD_DATA, Integer.BYTES, ALL, ALL);
            }
            case vfio_h.PCI_CAP_ID_AF ->
                allow(place + vfio_h.PCI_AF_CTRL, 1, vfio_h.PCI_AF_CTRL_FLR, vfio_h.PCI_AF_CTRL_FLR);
            case vfio_h.PCI_CAP_ID_PCIX -> {
                allow(place + PCIX_COMMAND, Short.BYTES, 0, ALL);
                allow(place + PCIX_ECC_CONTROL, Integer.BYTES, 0, ALL);
            }
            default -> readDirectly(place, id == vfio_h.PCI_CAP_ID_VNDR, Short.BYTES);
        }
    }

    /** Reads go to the device, except for the bytes that link capabilities; writes go to the device or are ignored. */
    private void readDirectly(int place, boolean canWrite, int header) {
        int registers = Math.min(place + header, end);
        Arrays.fill(asksDevice, place, end, true);
        Arrays.fill(virtual, place, registers, (byte) ALL);
        Arrays.fill(writable, registers, end, (byte) (canWrite ? ALL : 0));
    }

    private void allowPower(int place) {
        int pme = vfio_h.PCI_PM_CTRL_PME_ENABLE | vfio_h.PCI_PM_CTRL_PME_STATUS;
        int capabilities = place + vfio_h.PCI_PM_PMC;
        int control = place + vfio_h.PCI_PM_CTRL;
        clear(capabilities, vfio_h.PCI_PM_CAP_PME_MASK);
        clear(control, pme);
        allow(capabilities, Short.BYTES, vfio_h.PCI_PM_CAP_PME_MASK, 0);
        allow(control, Integer.BYTES, pme, ~(pme | vfio_h.PCI_PM_CTRL_STATE_MASK));
    }

    private void allowMessages(int place) {
        int flags = hardware.getShort(place + vfio_h.PCI_MSI_FLAGS);
        boolean wide = (flags & vfio_h.PCI_MSI_FLAGS_64BIT) != 0;
        allow(place + vfio_h.PCI_MSI_FLAGS, 1, ALL, ALL);
        allow(place + vfio_h.PCI_MSI_ADDRESS_LO, Integer.BYTES, ALL, ALL);
        if (wide) {
            allow(place + vfio_h.PCI_MSI_ADDRESS_HI, Integer.BYTES, ALL, ALL);
        }
        allow(place + (wide ? vfio_h.PCI_MSI_DATA_64 : vfio_h.PCI_MSI_DATA_32), Short.BYTES, ALL, ALL);
        if ((flags & vfio_h.PCI_MSI_FLAGS_MASKBIT) != 0) {
            allow(place + (wide ? vfio_h.PCI_MSI_MASK_64 : vfio_h.PCI_MSI_MASK_32), Integer.BYTES, 0, ALL);
            allow(place + (wide ? vfio_h.PCI_MSI_PENDING_64 : vfio_h.PCI_MSI_PENDING_32), Integer.BYTES, 0, ALL);
        }
    }

    private void allowExtended(int id, int place) {
        switch (id) {
            case vfio_h.PCI_EXT_CAP_ID_ERR -> {
                allow(place, Integer.BYTES, ALL, 0);
                allow(place + vfio_h.PCI_ERR_UNCOR_STATUS, Integer.BYTES, 0, UNCORRECTABLE_ERRORS);
                allow(place + vfio_h.PCI_ERR_UNCOR_MASK, Integer.BYTES, 0, UNCORRECTABLE_ERRORS);
                allow(place + vfio_h.PCI_ERR_UNCOR_SEVER, Integer.BYTES, 0, UNCORRECTABLE_ERRORS);
                allow(place + vfio_h.PCI_ERR_COR_STATUS, Integer.BYTES, 0, CORRECTABLE_ERRORS);
                allow(place + vfio_h.PCI_ERR_COR_MASK, Integer.BYTES, 0, CORRECTABLE_ERRORS);
                allow(
                        place + vfio_h.PCI_ERR_CAP,
                        Integer.BYTES,
                        0,
                        vfio_h.PCI_ERR_CAP_ECRC_GENE | vfio_h.PCI_ERR_CAP_ECRC_CHKE);
            }
            case vfio_h.PCI_EXT_CAP_ID_PWR -> {
                allow(place, Integer.BYTES, ALL, 0);
                allow(place + vfio_h.PCI_PWR_DATA, 1, 0, ALL);
            }
            default -> {
                boolean raw = id == vfio_h.PCI_EXT_CAP_ID_VNDR || id == vfio_h.PCI_EXT_CAP_ID_DVSEC;
                readDirectly(place, raw, Integer.BYTES);
            }
        }
    }

    /** Whether the user has left memory decoding on. */
    boolean decodesMemory() {
        return (copy.getShort(vfio_h.PCI_COMMAND) & vfio_h.PCI_COMMAND_MEMORY) != 0;
    }

    /** Reads; returns the number of bytes, or a negated errno. */
    long read(MemorySegment buffer, long offset) {
        return access(buffer, offset, false);
    }

    /** Writes; returns the number of bytes, or a negated errno. */
    long write(MemorySegment buffer, long offset) {
        return access(buffer, offset, true);
    }

    private long access(MemorySegment buffer, long offset, boolean write) {
        long size = buffer.byteSize();
        if (offset >= copy.capacity() || offset + size > copy.capacity()) {
            return Errno.EFAULT.negated();
        }
        for (long at = 0; at < size; ) {
            int register = (int) (offset + at);
            int bytes = piece(register, size - at);
            long value = 0;
            if (write) {
                for (int each = bytes - 1; each >= 0; each--) {
                    value = value << Byte.SIZE | (buffer.get(ValueLayout.JAVA_BYTE, at + each) & 0xff);
                }
                value = write(register, bytes, (int) value);
            } else {
                value = read(register, bytes);
                for (int each = 0; each < bytes; each++) {
                    buffer.set(ValueLayout.JAVA_BYTE, at + each, (byte) (value >>> (each * Byte.SIZE)));
                }
            }
            if (value < 0) {
                return value;
            }
            at += bytes;
        }
        return size;
    }

    /** An aligned piece of up to 4 bytes within one capability. */
    private int piece(int register, long left) {
        int same = 1;
        while (same < left && (register + same) % Integer.BYTES != 0 && owner[register + same] == owner[register]) {
            same++;
        }
        if (same == Integer.BYTES) {
            return Integer.BYTES;
        }
        return same >= Short.BYTES && register % Short.BYTES == 0 ? Short.BYTES : 1;
    }

    private static int bits(byte[] masks, int register, int bytes) {
        int bits = 0;
        for (int each = bytes - 1; each >= 0; each--) {
            bits = bits << Byte.SIZE | (masks[register + each] & 0xff);
        }
        return bits;
    }

    private static int allBits(int bytes) {
        return ALL >>> (Integer.SIZE - bytes * Byte.SIZE);
    }

    private int copied(int register, int bytes) {
        return bits(copy.array(), register, bytes);
    }

    /** A register's value, or a negated errno. */
    private long read(int register, int bytes) {
        if (register >= vfio_h.PCI_BASE_ADDRESS_0 && register < vfio_h.PCI_STD_HEADER_SIZEOF) {
            function.access().showBarSizes(copy);
        }
        int virtualBits = bits(virtual, register, bytes);
        int value = copied(register, bytes);
        if (virtualBits != allBits(bytes) || asksDevice[register]) {
            long device = function.access().read(register, bytes);
            if (device < 0) {
                return device;
            }
            value = ((int) device & ~virtualBits) | (value & virtualBits);
        }
        return Integer.toUnsignedLong(value);
    }

    /** 0, or a negated errno. */
    private long write(int register, int bytes, int value) {
        int place = owner[register];
        if (register == vfio_h.PCI_COMMAND) {
            long command = function.access().read(register, Short.BYTES);
            if (command < 0) {
                return command;
            }
        }
        int before = place > 0 && isCapability(place, vfio_h.PCI_CAP_ID_EXP)
                ? shortAt(place + vfio_h.PCI_EXP_DEVCTL) & vfio_h.PCI_EXP_DEVCTL_READRQ
                : 0;
        long answer = writeBits(register, bytes, value);
        if (answer < 0) {
            return answer;
        }
        if (place == HEADER) {
            wroteHeader(register, value);
        } else if (place > 0 && place < vfio_h.PCI_CFG_SPACE_SIZE) {
            return wroteCapability(place, register - place, bytes, value, before);
        }
        return 0;
    }

    private boolean isCapability(int place, int id) {
        return place < vfio_h.PCI_CFG_SPACE_SIZE && (hardware.get(place) & 0xff) == id;
    }

    private long writeBits(int register, int bytes, int value) {
        int writableBits = bits(writable, register, bytes);
        int virtualBits = bits(virtual, register, bytes);
        int ofCopy = writableBits & virtualBits;
        if (ofCopy != 0) {
            int merged = (copied(register, bytes) & ~ofCopy) | (value & ofCopy);
            for (int each = 0; each < bytes; each++) {
                copy.put(register + each, (byte) (merged >>> (each * Byte.SIZE)));
            }
        }
        int ofDevice = writableBits & ~virtualBits;
        if (ofDevice == 0) {
            return 0;
        }
        long device = function.access().read(register, bytes);
        if (device < 0) {
            return device;
        }
        return function.access().write(register, bytes, ((int) device & ~ofDevice) | (value & ofDevice));
    }

    private void wroteHeader(int register, int value) {
        int command = copy.getShort(vfio_h.PCI_COMMAND);
        if (register == vfio_h.PCI_COMMAND) {
            function.restoreBars();
            int tracked = vfio_h.PCI_COMMAND_MEMORY | vfio_h.PCI_COMMAND_IO;
            copy.putShort(vfio_h.PCI_COMMAND, (short) ((command & ~tracked) | (value & tracked)));
        }
        if (register == vfio_h.PCI_COMMAND || register == vfio_h.PCI_COMMAND + 1) {
            function.interrupts().line().disable((command & vfio_h.PCI_COMMAND_INTX_DISABLE) != 0);
        }
    }

    private long wroteCapability(int place, int offset, int bytes, int value, int readRequest) {
        switch (hardware.get(place) & 0xff) {
            case vfio_h.PCI_CAP_ID_PM -> {
                if (offset == vfio_h.PCI_PM_CTRL) {
                    function.power(value & vfio_h.PCI_PM_CTRL_STATE_MASK);
                }
            }
            case vfio_h.PCI_CAP_ID_VPD -> {
                if (offset <= vfio_h.PCI_VPD_ADDR + 1 && offset + bytes > vfio_h.PCI_VPD_ADDR + 1) {
                    wroteProductDataAddress(place);
                }
            }
            case vfio_h.PCI_CAP_ID_MSI -> {
                if (offset <= vfio_h.PCI_MSI_FLAGS && offset + bytes >= vfio_h.PCI_MSI_FLAGS) {
                    return wroteMessageFlags(place + vfio_h.PCI_MSI_FLAGS);
                }
            }
            case vfio_h.PCI_CAP_ID_EXP -> {
                if (clear(place + vfio_h.PCI_EXP_DEVCTL, vfio_h.PCI_EXP_DEVCTL_BCR_FLR)
                        && (hardware.getInt(place + vfio_h.PCI_EXP_DEVCAP) & vfio_h.PCI_EXP_DEVCAP_FLR) != 0) {
                    function.reset();
                }
                int asked = shortAt(place + vfio_h.PCI_EXP_DEVCTL) & vfio_h.PCI_EXP_DEVCTL_READRQ;
                if (asked != readRequest) {
                    int control = place + vfio_h.PCI_EXP_DEVCTL;
                    int kept = hardware.getShort(control) & ~vfio_h.PCI_EXP_DEVCTL_READRQ;
                    return function.access().write(control, Short.BYTES, kept | asked);
                }
            }
            case vfio_h.PCI_CAP_ID_AF -> {
                int both = vfio_h.PCI_AF_CAP_FLR | vfio_h.PCI_AF_CAP_TP;
                if (clear(place + vfio_h.PCI_AF_CTRL, vfio_h.PCI_AF_CTRL_FLR)
                        && (hardware.get(place + vfio_h.PCI_AF_CAP) & both) == both) {
                    function.reset();
                }
            }
            default -> {
                // Writing the register has no side effect.
            }
        }
        return 0;
    }

    /** {@code vfio_vpd_config_write}: reads 4 bytes, or ignores a write of them, and toggles the flag. */
    private void wroteProductDataAddress(int place) {
        VitalProductData data = function.options().vitalProductData();
        int address = Short.toUnsignedInt(copy.getShort(place + vfio_h.PCI_VPD_ADDR));
        if (!data.isReadable()) {
            return;
        }
        if ((address & vfio_h.PCI_VPD_ADDR_F) == 0 && place + vfio_h.PCI_CAP_VPD_SIZEOF <= copy.capacity()) {
            copy.putInt(place + vfio_h.PCI_VPD_DATA, data.read(address));
        }
        copy.putShort(place + vfio_h.PCI_VPD_ADDR, (short) (address ^ vfio_h.PCI_VPD_ADDR_F));
    }

    /** A register of the virtual copy; 0 where a capability at the end is cut off before it. */
    private int shortAt(int register) {
        return register + Short.BYTES <= copy.capacity() ? Short.toUnsignedInt(copy.getShort(register)) : 0;
    }

    /** Clears bits of the virtual copy; true if any was set. */
    private boolean clear(int register, int bits) {
        int value = shortAt(register);
        if ((value & bits) == 0) {
            return false;
        }
        copy.putShort(register, (short) (value & ~bits));
        return true;
    }

    /**
     * DEVICE_SET_IRQS enables MSI; then the user may clear and set the enable bit, for at most as many messages as were
     * granted.
     */
    private long wroteMessageFlags(int register) {
        int flags = Short.toUnsignedInt(copy.getShort(register));
        VfioInterrupts interrupts = function.interrupts();
        if (!interrupts.isMsi()) {
            flags &= ~vfio_h.PCI_MSI_FLAGS_ENABLE;
        }
        int granted = interrupts.messagesLogarithm();
        if ((flags & vfio_h.PCI_MSI_FLAGS_QSIZE) >> 4 > granted) {
            flags = (flags & ~vfio_h.PCI_MSI_FLAGS_QSIZE) | granted << 4;
        }
        copy.putShort(register, (short) flags);
        if (function.access().isBlocked()) {
            return function.access().read(register, Short.BYTES);
        }
        if (interrupts.isMsi()) {
            interrupts.enableMessages((flags & vfio_h.PCI_MSI_FLAGS_ENABLE) != 0);
        }
        return 0;
    }
}
