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
. "$(dirname "$0")/lib/qemu.bash"

mkfifo "$work/to" "$work/from"
qemu -S -qtest stdio -display none -machine pseries -nodefaults -device edu,addr=1 \
    <"$work/to" >"$work/from" 2>"$work/log" &
exec {to}>"$work/to" {from}<"$work/from"
trap 'kill %1 2>/dev/null || true; rm -rf "$work"' EXIT

# say COMMAND...: one command of the test protocol, and its result.
say() {
    echo "$@" >&"$to"
    read -r -t 30 reply <&"$from" || not_run "QEMU does not reply to $1 ($(tail -n 1 "$work/log"))"
    [[ $reply == OK* ]] || not_run "QEMU refuses $1: $reply"
}

# configure REGISTER SIZE VALUE: writes configuration space of device 1, behind the first host bridge, as firmware does.
configure() {
    say write 0x1000 20 "0x$(printf '%08x%08x%08x%08x%08x' $((0x800 | $1)) $((0x08000000)) $((0x20000000)) "$2" "$3")"
    say rtas ibm,write-pci-config 5 0x1000 1 0x2000
}

configure 0x10 4 0x80000000
configure 0x04 2 0x2
say read 0x200080000000 4
expect 'bytes of the identification' 'OK 0x010000ed' "$reply"
