# shellcheck shell=bash
# Sourced after finding.bash: QEMU's NVMe controller on a PC, driven through the test protocol, so that what answers is
# the controller alone. After start MPS, submit makes commands.
debian 'qemu-system-x86=1:7.2+dfsg-7+deb12u18+b3'
. "$(dirname "$0")/lib/qtest.bash"

registers=0xe0000000
# Of the admin queue and of one I/O queue, with 32 entries each.
submission=(0x100000 0x120000)
completion=(0x110000 0x130000)
used=(0 0)

qemu_pc() {
    LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu \
        timeout 60 "$root/usr/bin/qemu-system-x86_64" -L "$root/usr/share/qemu" "$@"
}

# config OFFSET SIZE-LETTER VALUE: writes configuration space of device 3.
config() {
    say outl 0xcf8 $((0x80001800 | $1))
    say "out$2" 0xcfc "$3"
}

# start OPTION...: a controller with a drive of 64 MiB and these options of its own, not yet enabled.
start() {
    # An endless loop in place of firmware, at the last 16 bytes, where the processor begins.
    { head -c 65520 /dev/zero && printf '\xeb\xfe' && head -c 14 /dev/zero; } >"$work/firmware"
    truncate -s 64M "$work/drive"
    protocol qemu_pc -machine q35 -m 64M -bios "$work/firmware" \
        -drive "if=none,id=drive,format=raw,file=$work/drive" -device "nvme,drive=drive,serial=1,addr=3${1:+,$1}"
    config 0x10 l "$registers"
    config 0x14 l 0
    config 0x04 w 6
}

# enable MPS: enables the controller with pages of 2^(12 + MPS) bytes.
enable() {
    say writel $((registers + 0x14)) 0
    say writel $((registers + 0x24)) 0x001f001f
    say writeq $((registers + 0x28)) "${submission[0]}"
    say writeq $((registers + 0x30)) "${completion[0]}"
    say memset "${completion[0]}" 512 0
    say memset "${completion[1]}" 512 0
    used=(0 0)
    say writel $((registers + 0x14)) $((0x00460001 | $1 << 7))
    until say readl $((registers + 0x1c)) && (($(number) & 1)); do
        sleep 0.1
    done
}

# submit QUEUE OPCODE NAMESPACE PRP1 PRP2 DWORD10 DWORD11 DWORD12: makes a command; its status code is in $status.
submit() {
    local slot=${used[$1]} entry
    entry=$((submission[$1] + slot * 64))
    say writel "$entry" $(($2 | slot << 16))
    say writel $((entry + 4)) "$3"
    say writeq $((entry + 24)) "$4"
    say writeq $((entry + 32)) "$5"
    say writel $((entry + 40)) "$6"
    say writel $((entry + 44)) "$7"
    say writel $((entry + 48)) "$8"
    used[$1]=$((slot + 1))
    say writel $((registers + 0x1000 + 8 * $1)) "${used[$1]}"
    # Each slot is used once, so that the phase of a completion is always 1.
    until say readl $((completion[$1] + slot * 16 + 12)) && (($(number))); do
        sleep 0.05
    done
    status=$(printf '0x%x' $(($(number) >> 17 & 0x7ff)))
}

# create_queue: makes I/O queue 1.
create_queue() {
    submit 0 0x05 0 "${completion[1]}" 0 0x001f0001 1 0
    [[ $status == 0x0 ]] || not_run "QEMU refuses a completion queue: $status"
    submit 0 0x01 0 "${submission[1]}" 0 0x001f0001 0x00010001 0
    [[ $status == 0x0 ]] || not_run "QEMU refuses a submission queue: $status"
}
