#!/usr/bin/env bash
# On QEMU's pseries machine a device's DMA to an address without a TCE is lost, and nothing reports it (QEMU 7.2.22).
#
# Expected: as on a POWER host: the host bridge stops the transfer and freezes the PE, all registers of the device
# read ones, and the error stands in the PCI status register (a target or master abort), where EEH finds it.
# Seen: the edu device raises the interrupt of a completed transfer, its PCI status register has no error bit, its
# registers still answer, and the memory that has the same address is unchanged. Why it matters: a driver that unmaps
# memory too early, or gives a device a wrong address, passes its tests on QEMU and freezes its PE on hardware.
# Compare data after each transfer there, and test the addresses elsewhere. No TCE exists here as no kernel runs.
#
# Version: qemu-system-ppc 1:7.2+dfsg-7+deb12u18+b3 (Debian 12)
. "$(dirname "$0")/lib/finding.bash"
. "$(dirname "$0")/lib/pseries-edu.bash"

run=1
to_memory=2
interrupt=4
buffer=0x40000
memory=0x10000

say write "$memory" 8 0x1122334455667788
say writeq $((bar + 0x80)) "$buffer"
say writeq $((bar + 0x88)) "$memory"
say writeq $((bar + 0x90)) 8
say writeq $((bar + 0x98)) $((run | to_memory | interrupt))
for ((wait = 0; wait < 100; wait++)); do
    say readq $((bar + 0x98))
    (($(number) & run)) || break
    sleep 0.1
done
expect 'transfer in progress' 0 "$(($(number) & run))"
say readl $((bar + 0x24))
expect 'interrupt' 'OK 0x0000000000000100' "$reply"
status_register
expect 'aborts in the PCI status register' 0 "$((${reply#OK } & 0xf900))"
say read "$bar" 4
expect 'identification' 'OK 0x010000ed' "$reply"
say read "$memory" 8
expect 'memory of the same address' 'OK 0x1122334455667788' "$reply"
