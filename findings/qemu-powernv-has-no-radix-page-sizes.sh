#!/usr/bin/env bash
# The device tree of QEMU's powernv9 and powernv10 lacks the property ibm,processor-radix-AP-encodings (QEMU 7.2.22; the
# same in 10.0).
#
# Expected: the processor nodes have it, as on POWER9 hosts, where firmware sets it, and as QEMU's own pseries machine
# with the same processor: it lists the page sizes of the radix MMU.
# Seen: pseries has it, with 4K, 64K, 2M and 1G; powernv9 and powernv10 have not. Why it matters: Linux then knows only
# its base page size, so there are no huge pages: mmap with MAP_HUGETLB fails, and transparent huge pages are off. A
# device tree with the property, given with -dtb, brings them back.
#
# Version: qemu-system-ppc 1:7.2+dfsg-7+deb12u18+b3 (Debian 12)
. "$(dirname "$0")/lib/finding.bash"
needs dtc
. "$(dirname "$0")/lib/qemu.bash"

# sizes MACHINE PROCESSOR: the property, or "none".
sizes() {
    qemu -machine "$1,dumpdtb=$work/$1.dtb" -cpu "$2" -nographic -nodefaults -m 1G </dev/null >"$work/log" 2>&1 || true
    [[ -s $work/$1.dtb ]] || not_run "QEMU writes no device tree of $1 ($(tail -n 1 "$work/log"))"
    dtc -q -I dtb -O dts "$work/$1.dtb" |
        sed -n 's/.*ibm,processor-radix-AP-encodings = <\(.*\)>;/\1/p' | head -n 1 | grep . || echo none
}

expect 'pseries, POWER9' '0x0c 0xa0000010 0x20000015 0x4000001e' "$(sizes pseries power9)"
expect 'powernv9' none "$(sizes powernv9 power9)"
expect 'powernv10' none "$(sizes powernv10 power10)"
