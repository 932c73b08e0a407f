package org.jvfio.cli.host;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.NoSuchFileException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.jvfio.PciAddress;
import org.jvfio.emulator.EmulatedKernel;
import org.jvfio.emulator.EmulatedMachine;
import org.jvfio.kernel.Kernel;
import org.jvfio.observe.ForwardingKernel;

/** What a host uses its devices for, by files as hosts with such file systems, swap and networks have them. */
class HostUsesTest {
    private static final String FIRST = "0000:01:00.0";
    private static final String SECOND = "0001:01:00.0";
    private static final String DISK_A = "../../devices/pci0000:00/0000:00:00.0/0000:01:00.0/nvme/nvme0/nvme0n1";
    private static final String DISK_B = "../../devices/pci0001:00/0001:00:00.0/0001:01:00.0/nvme/nvme1/nvme1n1";
    /** Two drives with a partition each, which nothing uses. */
    private static final String DISKS = """
            /sys/class/block/nvme0n1 -> %1$s
            /sys/class/block/nvme0n1p1 -> %1$s/nvme0n1p1
            /sys/class/block/nvme0n1p1/partition = 1
            /sys/class/block/nvme0n1p1/dev = 259:1
            /sys/dev/block/259:1 -> ../../block/nvme0n1p1
            /sys/class/block/nvme1n1 -> %2$s
            /sys/class/block/nvme1n1p1 -> %2$s/nvme1n1p1
            /sys/class/block/nvme1n1p1/partition = 1
            /sys/class/block/nvme1n1p1/dev = 259:3
            /sys/dev/block/259:3 -> ../../block/nvme1n1p1
            """.formatted(DISK_A, DISK_B);

    /** An emulated host with more files, or others: lines are 'PATH = TEXT', with \n in it, or 'PATH -> TARGET'. */
    private static final class OtherFiles extends ForwardingKernel {
        private final Map<String, String> files = new LinkedHashMap<>();
        private final Map<String, String> links = new LinkedHashMap<>();

        OtherFiles(Kernel behind, String lines) {
            super(behind);
            for (String line : lines.lines().toList()) {
                boolean isLink = line.contains(" -> ");
                String[] parts = line.split(isLink ? " -> " : " = ", 2);
                (isLink ? links : files).put(parts[0], parts[1].replace("\\n", "\n"));
            }
        }

        @Override
        public String readFile(String path) throws IOException {
            String text = files.get(path);
            return text == null ? super.readFile(path) : text;
        }

        @Override
        public String readLink(String path) throws IOException {
            String target = links.get(path);
            return target == null ? super.readLink(path) : target;
        }

        @Override
        public List<String> list(String directory) throws IOException {
            String prefix = directory.endsWith("/") ? directory : directory + "/";
            TreeSet<String> names = new TreeSet<>();
            for (Map<String, String> paths : List.of(files, links)) {
                paths.keySet().stream()
                        .filter(path -> path.startsWith(prefix))
                        .forEach(path ->
                                names.add(path.substring(prefix.length()).split("/", 2)[0]));
            }
            try {
                names.addAll(super.list(directory));
            } catch (NoSuchFileException missing) {
                if (names.isEmpty()) {
                    throw missing;
                }
            }
            return List.copyOf(names);
        }
    }

    private static List<String> uses(String address, String lines) {
        Host host = new Host(new OtherFiles(EmulatedKernel.boot(EmulatedMachine.power9()), lines));
        return HostUses.of(host.files()).of(host.function(PciAddress.parse(address)));
    }

    /** Checks both drives. */
    private static void assertUses(List<String> first, List<String> second, String lines) {
        assertEquals(first, uses(FIRST, DISKS + lines), "the first drive");
        assertEquals(second, uses(SECOND, DISKS + lines), "the second drive");
    }

    private static String mounted(String line) {
        return "/proc/self/mountinfo = 20 1 0:20 / /proc rw - proc proc rw\\n" + line + "\n";
    }

    @Test
    void of_drivesThatNothingUses_nothing() {
        assertUses(List.of(), List.of(), mounted("21 1 0:5 / /dev rw - devtmpfs devtmpfs rw"));
    }

    @Test
    void of_aRootListedAsDevRoot_theDriveOfItsDeviceNumber() {
        assertUses(
                List.of("/dev/nvme0n1p1 is mounted at /"),
                List.of(),
                mounted("1 0 259:1 / / rw shared:1 - ext4 /dev/root rw"));
    }

    @Test
    void of_aMountListedByUuidAndWithASpace_theDriveOfItsDeviceNumber() {
        assertUses(
                List.of(),
                List.of("/dev/disk/by-uuid/1-2 is mounted at /my data"),
                mounted("1 0 259:3 / /my\\040data rw - xfs /dev/disk/by-uuid/1-2 rw"));
    }

    @Test
    void of_aBindMount_theDriveOnce() {
        assertUses(
                List.of("/dev/nvme0n1p1 is mounted at /srv"),
                List.of(),
                mounted("1 0 259:1 /a /srv rw - ext4 /dev/nvme0n1p1 rw\\n2 0 0:40 / /over rw - overlay overlay"
                        + " rw,lowerdir=/srv"));
    }

    @Test
    void of_aVolumeOfLvmOnAnArrayOfBothDrives_both() {
        String why = "/dev/mapper/vg-root is mounted at /";
        assertUses(List.of(why), List.of(why), mounted("1 0 253:0 / / rw - ext4 /dev/mapper/vg-root rw") + """
                        /sys/dev/block/253:0 -> ../../devices/virtual/block/dm-0
                        /sys/class/block/dm-0 -> ../../devices/virtual/block/dm-0
                        /sys/class/block/dm-0/dm/name = vg-root
                        /sys/class/block/dm-0/slaves/md0p1 -> ../../md0/md0p1
                        /sys/class/block/md0 -> ../../devices/virtual/block/md0
                        /sys/class/block/md0p1 -> ../../devices/virtual/block/md0/md0p1
                        /sys/class/block/md0p1/partition = 1
                        /sys/class/block/md0/slaves/nvme0n1p1 -> x/nvme0n1p1
                        /sys/class/block/md0/slaves/nvme1n1 -> x/nvme1n1
                        """);
    }

    @Test
    void of_anArrayThatIsNotMounted_theDriveThatItIsMadeOf() {
        assertUses(List.of(), List.of("/dev/mapper/vg-vm is made of /dev/nvme1n1p1"), """
                /sys/class/block/dm-3 -> ../../devices/virtual/block/dm-3
                /sys/class/block/dm-3/dm/name = vg-vm
                /sys/class/block/nvme1n1p1/holders/dm-3 -> x/dm-3
                """);
    }

    @Test
    void of_swapOnANodeOfUdevOrTheDeviceMapper_itsDrive() {
        assertUses(List.of("/dev/disk/by-id/x is in use as swap"), List.of("/dev/mapper/swap is in use as swap"), """
                /proc/swaps = Filename Type Size Used Priority\\n/dev/disk/by-id/x partition 1 0 -2\\n/dev/mapper/swap partition 1 0 -3
                /dev/disk/by-id/x -> ../../nvme0n1p1
                /sys/class/block/dm-1 -> ../../devices/virtual/block/dm-1
                /sys/class/block/dm-1/dm/name = swap
                /sys/class/block/dm-1/slaves/nvme1n1p1 -> x/nvme1n1p1
                """);
    }

    @Test
    void of_aSwapFileAndALoopDevice_theDriveOfTheirFileSystem() {
        assertUses(
                List.of("/dev/nvme0n1p1 is mounted at /"),
                List.of(),
                mounted("1 0 259:1 / / rw - ext4 /dev/nvme0n1p1 rw\\n2 1 7:0 / /mnt rw - ext4 /dev/loop0 rw") + """
                        /proc/swaps = Filename Type Size Used Priority\\n/swap\\040file file 1 0 -2
                        /sys/dev/block/7:0 -> ../../devices/virtual/block/loop0
                        /sys/class/block/loop0 -> ../../devices/virtual/block/loop0
                        /sys/class/block/loop0/loop/backing_file = /images/disk
                        """);
    }

    @Test
    void of_swapOnZramThatWritesBack_theDriveBehindIt() {
        assertUses(List.of(), List.of("/dev/zram0 is in use as swap"), """
                /proc/swaps = Filename Type Size Used Priority\\n/dev/zram0 partition 1 0 100
                /sys/class/block/zram0 -> ../../devices/virtual/block/zram0
                /sys/class/block/zram0/backing_dev = /dev/nvme1n1p1
                """);
    }

    @Test
    void of_aBtrfsOfTwoDevices_both() {
        String why = "/dev/nvme0n1p1 is mounted at /";
        assertUses(List.of(why), List.of(why), mounted("1 0 0:32 /@ / rw - btrfs /dev/nvme0n1p1 rw") + """
                        /sys/fs/btrfs/features/x = 1
                        /sys/fs/btrfs/1-2/devices/nvme0n1p1 -> x/nvme0n1p1
                        /sys/fs/btrfs/1-2/devices/nvme1n1p1 -> x/nvme1n1p1
                        """);
    }

    @Test
    void of_aBcachefsOfTwoDevices_both() {
        assertUses(
                List.of("/dev/nvme0n1p1 is mounted at /d"),
                List.of("/dev/nvme1n1 is mounted at /d"),
                mounted("1 0 0:32 / /d rw - bcachefs /dev/nvme0n1p1:/dev/nvme1n1 rw"));
        String why = "/dev/nvme1n1p1 belongs to a mounted bcachefs file system";
        assertUses(List.of(), List.of(why), "/sys/fs/bcachefs/1-2/dev-0/block -> x/nvme1n1p1\n");
    }

    @Test
    void of_bcache_theDriveAndItsCache() {
        String why = "/dev/bcache0 is mounted at /";
        assertUses(List.of(why), List.of(why), mounted("1 0 252:0 / / rw - ext4 /dev/bcache0 rw") + """
                        /sys/dev/block/252:0 -> ../../devices/virtual/block/bcache0
                        /sys/class/block/bcache0 -> ../../devices/virtual/block/bcache0
                        /sys/class/block/bcache0/bcache -> ../../../pci/block/nvme0n1/bcache
                        /sys/class/block/bcache0/bcache/cache/cache0 -> ../../pci/block/nvme1n1/bcache
                        """);
    }

    @Test
    void of_aFileSystemOfAnotherMountNamespace_itsDrive() {
        assertUses(
                List.of("/dev/nvme0n1p1 has a mounted file system"),
                List.of("/dev/nvme1n1p1 is mounted at /host"),
                """
                /sys/fs/ext4/features/x = 1
                /sys/fs/ext4/nvme0n1p1/state = 1
                /proc/1/mountinfo = 1 0 259:3 / /host rw - ext4 /dev/nvme1n1p1 rw
                """);
    }

    @Test
    void of_zfsWhoseLabelsUdevHasRead_theDrivesOfThePools() {
        String pools = "1 0 0:30 / / rw - zfs rpool/ROOT/debian rw\\n2 0 0:31 / /home rw - zfs rpool/home rw";
        assertUses(
                List.of("ZFS pool rpool is mounted at /"), List.of("ZFS pool tank is imported"), mounted(pools) + """
                        /proc/spl/kstat/zfs/arcstats = 1
                        /proc/spl/kstat/zfs/rpool/state = ONLINE
                        /proc/spl/kstat/zfs/tank/state = ONLINE
                        /run/udev/data/b259:1 = S:x\\nE:ID_FS_LABEL=rpool\\nE:ID_FS_TYPE=zfs_member
                        /run/udev/data/b259:3 = E:ID_FS_LABEL=tank\\nE:ID_FS_TYPE=zfs_member
                        """);
        assertUses(
                List.of("ZFS pool rpool is mounted at /"),
                List.of("/dev/nvme1n1p1 belongs to a ZFS pool"),
                mounted(pools) + """
                        /run/udev/data/b259:1 = E:ID_FS_LABEL=rpool\\nE:ID_FS_TYPE=zfs_member
                        /run/udev/data/b259:3 = E:ID_FS_TYPE=zfs_member
                        """);
    }

    @Test
    void of_zfsWhoseLabelsNobodyHasRead_anyDrive() {
        List<String> why = List.of("ZFS pool rpool is mounted at / and may be on it: on which devices cannot be read");
        assertUses(why, why, mounted("1 0 0:30 / / rw - zfs rpool/ROOT rw"));
        assertEquals(List.of(), uses(FIRST, mounted("1 0 0:30 / / rw - zfs rpool/ROOT rw")), "no drive");
    }

    @Test
    void of_aMountOfANodeThatIsUnknown_anyDrive() {
        List<String> why = List.of("/dev/odd is mounted at /odd, which may be on it: where it is cannot be told");
        assertUses(why, why, mounted("1 0 0:99 / /odd rw - oddfs /dev/odd rw"));
    }

    @Test
    void of_aNamespaceWithMultipath_allItsControllers() {
        String why = "/dev/nvme0n1 is mounted at /";
        String lines = mounted("1 0 259:0 / / rw - ext4 /dev/nvme0n1 rw") + """
                /sys/dev/block/259:0 -> ../../block/nvme0n1
                /sys/class/block/nvme0n1 -> ../../devices/virtual/nvme-subsystem/nvme-subsys0/nvme0n1
                /sys/class/nvme-subsystem/nvme-subsys0/nvme0 -> x
                /sys/class/nvme-subsystem/nvme-subsys0/nvme1 -> x
                /sys/class/nvme/nvme0 -> ../../devices/pci0000:00/0000:01:00.0/nvme/nvme0
                /sys/class/nvme/nvme1 -> ../../devices/pci0001:00/0001:01:00.0/nvme/nvme1
                """;
        assertEquals(List.of(why), uses(FIRST, lines));
        assertEquals(List.of(why), uses(SECOND, lines));
    }

    @Test
    void of_fileSystemsOfTheHypervisor_theirDevices() {
        String lines = mounted("1 0 0:30 / / rw - 9p root rw\\n2 0 0:31 / /share rw - virtiofs share rw") + """
                /sys/bus/virtio/drivers/9pnet_virtio/virtio0 -> x
                /sys/bus/virtio/drivers/9pnet_virtio/bind = 1
                /sys/bus/virtio/devices/virtio0 -> ../../../devices/pci0000:00/0000:01:00.0/virtio0
                /sys/bus/virtio/devices/virtio0/mount_tag = root\0
                /sys/bus/virtio/drivers/virtiofs/virtio1 -> x
                /sys/bus/virtio/devices/virtio1 -> ../../../devices/pci0001:00/0001:01:00.0/virtio1
                """;
        assertEquals(List.of("root is mounted at /"), uses(FIRST, lines));
        assertEquals(List.of("share is mounted at /share"), uses(SECOND, lines));
    }

    @Test
    void of_aPortOfAnOpenVSwitch_itsDeviceIfItIsUp() {
        String lines = """
                /sys/class/net/eth0 -> ../../devices/pci0000:00/0000:01:00.0/net/eth0
                /sys/class/net/eth0/master -> ../ovs-system
                /sys/class/net/eth0/flags = 0x1103
                /sys/class/net/eth1 -> ../../devices/pci0001:00/0001:01:00.0/net/eth1
                /sys/class/net/eth1/master -> ../ovs-system
                /sys/class/net/eth1/flags = 0x1102
                """;
        assertEquals(List.of("eth0 is a port of ovs-system"), uses(FIRST, lines));
        assertEquals(List.of(), uses(SECOND, lines));
    }

    @Test
    void of_aVlanOnABond_allPorts() {
        String lines = """
                /proc/net/route = Iface Destination Gateway\\nbond0.7 00000000 010A000A
                /sys/class/net/bond0.7/lower_bond0 -> x
                /sys/class/net/bond0/lower_eth0 -> x
                /sys/class/net/bond0/lower_eth1 -> x
                /sys/class/net/eth0 -> ../../devices/pci0000:00/0000:01:00.0/net/eth0
                /sys/class/net/eth1 -> ../../devices/pci0001:00/0001:01:00.0/net/eth1
                """;
        assertEquals(List.of("bond0.7 has the default route"), uses(FIRST, lines));
        assertEquals(List.of("bond0.7 has the default route"), uses(SECOND, lines));
    }
}
