#!/usr/bin/env bash
# The registers of QEMU's edu device are big-endian in qemu-system-ppc64 (QEMU 7.2.22; the same in 10.0 and 11.1).
#
# Expected: PCI devices are little-endian, on every machine: the bytes at offset 0 of BAR 0 are ed 00 00 01, the
# identification 0x010000ed that the device's documentation gives.
# Seen: they are 01 00 00 ed, because the device's registers have the byte order of the emulated processor, and that of
# qemu-system-ppc64 is big-endian even while it runs a little-endian kernel. Why it matters: a driver tested with edu on
# x86 reads 0xed000001 on ppc64le. Tell the byte order by the identification register. No firmware or kernel is run
# here: the configuration space is set through QEMU's own test protocol.
#
# Version: qemu-system-ppc 1:7.2+dfsg-7+deb12u18+b3 (Debian 12)
. "$(dirname "$0")/lib/finding.bash"
. "$(dirname "$0")/lib/pseries-edu.bash"

say read "$bar" 4
expect 'bytes of the identification' 'OK 0x010000ed' "$reply"
