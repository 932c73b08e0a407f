# shellcheck shell=bash
# Sourced after finding.bash: the edu device on a pseries machine, its BAR 0 at $bar.
. "$(dirname "$0")/lib/qemu.bash"
. "$(dirname "$0")/lib/qtest.bash"
# An endless loop in place of firmware; 0x100 is where the processor begins.
head -c 256 /dev/zero >"$work/firmware"
printf '\x48\x00\x00\x00' >>"$work/firmware"
protocol qemu -machine pseries -bios "$work/firmware" -device edu,addr=1
bar=0x200080000000

# configure REGISTER SIZE VALUE: writes configuration space of device 1, behind the first host bridge, as firmware does.
configure() {
    say write 0x1000 20 "0x$(printf '%08x%08x%08x%08x%08x' $((0x800 | $1)) $((0x08000000)) $((0x20000000)) "$2" "$3")"
    say rtas ibm,write-pci-config 5 0x1000 1 0x2000
}

# status_register: the device's, in $reply.
status_register() {
    say write 0x1000 16 "0x$(printf '%08x%08x%08x%08x' $((0x806)) $((0x08000000)) $((0x20000000)) 2)"
    say rtas ibm,read-pci-config 4 0x1000 2 0x2000
    say read 0x2004 4
}

configure 0x10 4 0x80000000
configure 0x04 2 0x6
