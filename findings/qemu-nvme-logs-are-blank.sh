#!/usr/bin/env bash
# The Error Information log of QEMU's NVMe controller stays empty after an error, and its SMART log has no spare (QEMU
# 7.2.22; the same in 10.0).
#
# Expected: both logs are mandatory. After a command that failed, the newest entry of the Error Information log names
# its queue, identifier and status, and the SMART log counts it; a new drive has 100 percent of its spare blocks.
# Seen: after a read beyond the end of the namespace, which fails with LBA Out of Range, 0x80, the log has zeros only,
# the SMART log counts no error, and says 0 percent spare with a threshold of 0; its temperature is there. Why it
# matters: a driver that explains errors by the log, or a monitor that warns of a low spare, needs other tests than
# QEMU.
#
# Version: qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3 (Debian 12)
. "$(dirname "$0")/lib/finding.bash"
. "$(dirname "$0")/lib/nvme.bash"

page=0x200000

# log NUMBER BYTES: reads a log page over bytes of ones.
log() {
    say memset "$page" 4096 0xff
    submit 0 0x02 0xffffffff "$page" 0 $(($1 | ($2 / 4 - 1) << 16)) 0 0
    [[ $status == 0x0 ]] || not_run "QEMU refuses log $1: $status"
}

start
enable 0
create_queue
submit 1 0x02 1 "$page" 0 0x20000 0 7
expect 'read of the 8 blocks after the last' 0x80 "$status"
log 1 64
say read "$page" 64
expect 'bytes of the newest error that are not zero' '' "$(sed 's/^OK 0x//; s/00//g' <<<"$reply")"
log 2 512
say readw $((page + 1))
expect 'temperature in kelvins' 323 "$(number)"
say readb $((page + 3))
expect 'spare in percent' 0 "$(number)"
say readb $((page + 4))
expect 'its threshold' 0 "$(number)"
say readq $((page + 176))
expect 'errors counted' 0 "$(number)"
