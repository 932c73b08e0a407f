package org.jvfio.cli.host;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The block devices that a host uses, down to those that hold the data: of mounts by their device numbers, whatever
 * name they are listed under, of swap, of what is made of others (device mapper, md, bcache, zram), and of file systems
 * of several devices (Btrfs, bcachefs, ZFS).
 */
final class BlockUses {
    static final String BLOCK = "/sys/class/block/";

    private static final Pattern ESCAPE = Pattern.compile("\\\\([0-7]{3})");
    private static final String VIRTIO = "/sys/bus/virtio/";
    private static final String POOLS = "/proc/spl/kstat/zfs";
    /** Each has a directory here for a block device with a mounted file system, in whichever namespace that is. */
    private static final List<String> LISTED = List.of("ext4", "xfs", "f2fs");

    private final HostFiles files;
    private final List<Mount> mounts;
    /** The block devices that are used, each with what for. */
    private final Map<String, String> blocks = new LinkedHashMap<>();
    /** Other class devices that are used, by the paths of their links, each with what for. */
    private final Map<String, String> others = new LinkedHashMap<>();
    /** What is used, but not known where. */
    private final List<String> somewhere = new ArrayList<>();

    /** A line of mountinfo: proc(5). */
    private record Mount(String number, String point, String type, String source) {
        static Optional<Mount> parse(String line) {
            String[] fields = line.split(" ", -1);
            int dash = List.of(fields).indexOf("-");
            return dash < 6 || dash + 2 >= fields.length
                    ? Optional.empty()
                    : Optional.of(
                            new Mount(fields[2], unescape(fields[4]), fields[dash + 1], unescape(fields[dash + 2])));
        }

        String why(String name) {
            return name + " is mounted at " + point;
        }
    }

    BlockUses(HostFiles files) {
        this.files = files;
        this.mounts = mounts();
        mounts.forEach(this::useMount);
        findSwaps();
        findFileSystems();
        findHolders();
        findPools();
    }

    /** Those of the first process, too, as this one may be in a container; only root may read them. */
    private List<Mount> mounts() {
        Set<Mount> found = new LinkedHashSet<>();
        for (String process : List.of("self", "1")) {
            files.lines("/proc/" + process + "/mountinfo")
                    .forEach(line -> Mount.parse(line).ifPresent(found::add));
        }
        return List.copyOf(found);
    }

    /** Spaces and the like are octal there. */
    private static String unescape(String text) {
        return ESCAPE.matcher(text)
                .replaceAll(match -> Matcher.quoteReplacement(
                        Character.toString((char) Integer.parseInt(match.group(1), Byte.SIZE))));
    }

    /** A file that is in use, as a loop device is, needs nothing more than the mount that it is in. */
    private void useMount(Mount mount) {
        Optional<String> block = files.linkName("/sys/dev/block/" + mount.number());
        if (block.isPresent()) {
            boolean named =
                    mount.source().startsWith("/dev/") && !mount.source().equals("/dev/root");
            useBlock(block.get(), mount.why(named ? mount.source() : "/dev/" + block.get()));
        } else if (mount.type().equals("9p") || mount.type().equals("virtiofs")) {
            useTag(mount, mount.why(mount.source()));
        } else if (mount.source().startsWith("/dev/")) {
            // Those of several devices have no device number of their own; bcachefs lists all its devices.
            for (String node : mount.source().split(":", -1)) {
                useNode(node, mount.why(node));
            }
        }
    }

    /** A file system of the hypervisor's, by a device of virtio. */
    private void useTag(Mount mount, String why) {
        String driver = mount.type().equals("9p") ? "9pnet_virtio" : "virtiofs";
        for (String device : files.list(VIRTIO + "drivers/" + driver)) {
            if (device.matches("virtio[0-9]+")
                    && files.read(VIRTIO + "devices/" + device + "/mount_tag")
                            .map(tag -> tag.replace("\0", "").equals(mount.source()))
                            .orElse(true)) {
                others.putIfAbsent(VIRTIO + "devices/" + device, why);
            }
        }
    }

    private void findSwaps() {
        for (String line : files.lines("/proc/swaps")) {
            String[] fields = line.split("\\s+", -1);
            // The file system of a swap file is mounted.
            if (fields.length > 1 && fields[1].equals("partition")) {
                String node = unescape(fields[0]);
                useNode(node, node + " is in use as swap");
            }
        }
    }

    private void useNode(String node, String why) {
        Optional<String> block = block(node);
        if (block.isPresent()) {
            useBlock(block.get(), why);
        } else {
            somewhere.add(why + ", which may be on it: where it is cannot be told");
        }
    }

    /** The block device of a node, which may be a link, such as those of udev and LVM. */
    private Optional<String> block(String node) {
        String name = node.substring("/dev/".length());
        List<String> names = new ArrayList<>(List.of(name.replace('/', '!')));
        files.linkName(node).ifPresent(names::addFirst);
        if (name.startsWith("mapper/")) {
            for (String block : files.list(BLOCK)) {
                if (files.read(BLOCK + block + "/dm/name")
                        .filter(name.substring("mapper/".length())::equals)
                        .isPresent()) {
                    names.add(block);
                }
            }
        }
        return names.stream().filter(this::isBlock).findFirst();
    }

    private boolean isBlock(String name) {
        return files.link(BLOCK + name).isPresent();
    }

    private void useBlock(String block, String why) {
        use(block, why, new HashSet<>());
    }

    /** A block device, and those that it is made of. */
    private void use(String block, String why, Set<String> seen) {
        if (!seen.add(block)) {
            return;
        }
        blocks.putIfAbsent(block, why);
        String path = BLOCK + block;
        if (files.read(path + "/partition").isPresent()) {
            files.link(path).flatMap(target -> nameBefore(target, 1)).ifPresent(disk -> use(disk, why, seen));
        }
        files.list(path + "/slaves").forEach(slave -> use(slave, why, seen));
        // bcache has no slaves: its directories are below those of the devices.
        files.link(path + "/bcache")
                .flatMap(target -> nameBefore(target, 1))
                .ifPresent(backing -> use(backing, why, seen));
        for (String cache : files.list(path + "/bcache/cache")) {
            files.link(path + "/bcache/cache/" + cache)
                    .filter(target -> cache.matches("cache[0-9]+"))
                    .flatMap(target -> nameBefore(target, 1))
                    .ifPresent(device -> use(device, why, seen));
        }
        files.read(path + "/backing_dev")
                .filter(node -> node.startsWith("/dev/"))
                .ifPresent(node -> useNode(node, why));
    }

    /** A name in a path, counted from its end. */
    private static Optional<String> nameBefore(String path, int back) {
        String[] names = path.split("/", -1);
        return names.length > back ? Optional.of(names[names.length - 1 - back]) : Optional.empty();
    }

    private void findFileSystems() {
        for (String type : LISTED) {
            for (String name : files.list("/sys/fs/" + type)) {
                if (isBlock(name) && !blocks.containsKey(name)) {
                    useBlock(name, "/dev/" + name + " has a mounted file system");
                }
            }
        }
        for (String id : files.list("/sys/fs/btrfs")) {
            useAll(files.list("/sys/fs/btrfs/" + id + "/devices"), "Btrfs");
        }
        for (String id : files.list("/sys/fs/bcachefs")) {
            useAll(
                    files.list("/sys/fs/bcachefs/" + id).stream()
                            .flatMap(member ->
                                    files.linkName("/sys/fs/bcachefs/" + id + "/" + member + "/block").stream())
                            .toList(),
                    "bcachefs");
        }
    }

    /** Uses the devices of a file system for what one of them is known to be used for. */
    private void useAll(List<String> members, String type) {
        Optional<String> known =
                members.stream().filter(blocks::containsKey).map(blocks::get).findFirst();
        for (String member : members) {
            if (isBlock(member)) {
                useBlock(member, known.orElse("/dev/%s belongs to a mounted %s file system".formatted(member, type)));
            }
        }
    }

    private void findHolders() {
        for (String block : files.list(BLOCK)) {
            for (String holder : files.list(BLOCK + block + "/holders")) {
                if (!blocks.containsKey(block)) {
                    String name = files.read(BLOCK + holder + "/dm/name")
                            .map(mapped -> "/dev/mapper/" + mapped)
                            .orElse("/dev/" + holder);
                    useBlock(block, "%s is made of /dev/%s".formatted(name, block));
                }
            }
        }
    }

    /** ZFS does not tell the kernel which devices are its own; udev reads their labels. */
    private void findPools() {
        Map<String, String> pools = new LinkedHashMap<>();
        for (Mount mount : mounts) {
            if (mount.type().equals("zfs")) {
                String pool = mount.source().split("/", -1)[0];
                pools.putIfAbsent(pool, "ZFS pool %s is mounted at %s".formatted(pool, mount.point()));
            }
        }
        for (String name : files.list(POOLS)) {
            if (files.isDirectory(POOLS + "/" + name)) {
                pools.putIfAbsent(name, "ZFS pool %s is imported".formatted(name));
            }
        }
        if (pools.isEmpty()) {
            return;
        }
        Set<String> missing = new LinkedHashSet<>(pools.keySet());
        for (String block : files.list(BLOCK)) {
            List<String> data = files.read(BLOCK + block + "/dev")
                    .map(number -> files.lines("/run/udev/data/b" + number))
                    .orElse(List.of());
            if (!data.contains("E:ID_FS_TYPE=zfs_member")) {
                continue;
            }
            Optional<String> label = data.stream()
                    .filter(line -> line.startsWith("E:ID_FS_LABEL="))
                    .map(line -> line.substring("E:ID_FS_LABEL=".length()))
                    .findFirst();
            if (label.isEmpty()) {
                useBlock(block, "/dev/" + block + " belongs to a ZFS pool"); // a cache has no label
            } else if (pools.containsKey(label.get())) {
                missing.remove(label.get());
                useBlock(block, pools.getOrDefault(label.get(), ""));
            }
        }
        missing.forEach(pool -> somewhere.add(
                "%s and may be on it: on which devices cannot be read".formatted(pools.getOrDefault(pool, pool))));
    }

    /** The links of the devices that are used, each with what for. */
    Map<String, String> links() {
        Map<String, String> links = new LinkedHashMap<>();
        blocks.forEach((block, why) -> links.put(BLOCK + block, why));
        others.forEach(links::putIfAbsent);
        return links;
    }

    /** What is used, but on a block device that is not known. */
    List<String> somewhere() {
        return somewhere;
    }
}
