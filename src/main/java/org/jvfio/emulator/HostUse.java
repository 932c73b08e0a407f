package org.jvfio.emulator;

/** What the emulated host itself uses a device for, as its files show it while the host's driver has the device. */
public enum HostUse {
    /** The root file system is on the device: {@code /proc/self/mountinfo}. */
    ROOT_DISK,
    /** Swap space is on the device: {@code /proc/swaps}. */
    SWAP,
    /** The default route goes through the device: {@code /proc/net/route}. */
    NETWORK,
    /** The device is the console's display: {@code boot_vga}. */
    BOOT_DISPLAY
}
