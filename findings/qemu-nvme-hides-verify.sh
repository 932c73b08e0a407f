#!/usr/bin/env bash
# QEMU's NVMe controller has the Verify command, and its Identify data says that it has not (QEMU 7.2.22; the same in
# 10.0).
#
# Expected: bit 7 of ONCS, in bytes 520 and 521 of the Identify Controller data, tells whether a controller has
# Verify, as bit 0 does for Compare and bit 3 for Write Zeroes, which QEMU reports. One that does not report it
# answers Invalid Command Opcode, 0x1.
# Seen: bit 7 is clear, and Verify of written blocks succeeds, with the status of Verify beyond the end of the
# namespace 0x80, LBA Out of Range: it is not ignored. Why it matters: a driver that goes by ONCS, as it must, never
# tests its Verify on QEMU, and a test that counts on an error for a command that is not reported fails.
#
# Version: qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3 (Debian 12)
. "$(dirname "$0")/lib/finding.bash"
. "$(dirname "$0")/lib/nvme.bash"

identify=0x200000

start
enable 0
submit 0 0x06 0 "$identify" 0 1 0 0
expect 'Identify Controller' 0x0 "$status"
say readw $((identify + 520))
expect 'Compare, Write Zeroes and Verify in ONCS' '1 1 0' \
    "$(($(number) & 1)) $(($(number) >> 3 & 1)) $(($(number) >> 7 & 1))"
create_queue
submit 1 0x08 1 0 0 0 0 7
expect 'Write Zeroes of 8 blocks' 0x0 "$status"
submit 1 0x0c 1 0 0 0 0 7
expect 'Verify of them' 0x0 "$status"
submit 1 0x0c 1 0 0 0x20000 0 7
expect 'Verify of the 8 blocks after the last' 0x80 "$status"
