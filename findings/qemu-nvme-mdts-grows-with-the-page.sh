#!/usr/bin/env bash
# The largest transfer of QEMU's NVMe controller depends on the page size that the driver has chosen (QEMU 7.2.22; the
# same in 10.0).
#
# Expected: MDTS, in byte 77 of the Identify Controller data, counts in units of the smallest page of the controller,
# CAP.MPSMIN, which is 4K: 7 means 512K, whatever the driver writes to CC.MPS.
# Seen: a read of 1 MiB is refused with Invalid Field, 0x2, while CC.MPS is 0, pages of 4K; while it is 4, pages of
# 64K, it succeeds. Why it matters: a host with 64K pages, as POWER has, chooses larger pages, and a driver that
# counts its limit in them passes on QEMU and is refused by drives.
#
# Version: qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3 (Debian 12)
. "$(dirname "$0")/lib/finding.bash"
. "$(dirname "$0")/lib/nvme.bash"

data=0x800000
list=0x400000
mebibyte=$((1 << 20))

# read_bytes BYTES PAGE: reads from the first block on, into pages of this size.
read_bytes() {
    local page
    for ((page = 1; page < $1 / $2; page++)); do
        say writeq $((list + 8 * (page - 1))) $((data + page * $2))
    done
    submit 1 0x02 1 "$data" "$list" 0 0 $(($1 / 512 - 1))
}

start
say readq "$registers"
expect 'CAP.MPSMIN' 0 "$(($(number) >> 48 & 0xf))"
enable 0
submit 0 0x06 0 "$data" 0 1 0 0
say readb $((data + 77))
expect 'MDTS' 7 "$(number)"
create_queue
read_bytes $((mebibyte / 2)) 4096
expect '512K in pages of 4K' 0x0 "$status"
read_bytes "$mebibyte" 4096
expect '1M in pages of 4K' 0x2 "$status"
enable 4
create_queue
read_bytes "$mebibyte" 65536
expect '1M in pages of 64K' 0x0 "$status"
