# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with scripts/power
# Sourced by scripts/power: the initrd, QEMU's command line, and the way from the guest's console to this terminal.

# compress DIRECTORY: as a compressed cpio archive, to standard output. The kernel looks for the archive that follows at a
# multiple of four bytes.
compress() {
    archive "$1" | zstd -q -3 -T0 >"$work/compressed"
    truncate --size=%4 "$work/compressed"
    cat "$work/compressed"
    rm "$work/compressed"
}

archive() {
    (cd "$1" && find . -print0 | LC_ALL=C sort -z | cpio --quiet --null --create --format=newc --owner=0:0)
}

# make_initrd DIRECTORY: the JRE, the kernel's modules, init.
make_initrd() {
    say "making the initrd ..."
    cp -al "$cache/java/root" "$1/root"
    mkdir "$1/root/modules"
    cp "$kernel"/modules/*.ko "$1/root/modules/"
    install -m 755 "$lib/power/init" "$1/root/init"
    install -m 755 "$lib/power/jvfio" "$lib/power/kernel-nvme" "$1/root/bin/"
    compress "$1/root" >"$1/initrd"
    rm -rf "$1/root"
}

# make_rom FILE: an expansion ROM without code for QEMU's NVMe drive. An image of three blocks of 512 bytes: its header,
# with the place of the PCI data structure, and that: ids, class, length, that it is the last image.
make_rom() {
    {
        printf 'U\252\3' && head -c 21 /dev/zero && printf '\34\0\0\0'
        printf 'PCIR\66\33\20\0\0\0\30\0\0\2\10\1\3\0\0\0\377\200\0\0'
    } >"$1"
    truncate --size=1536 "$1"
}

# set_qemu_command GUEST: sets qemu_command, and makes the initrd that it names.
set_qemu_command() {
    { cat "${initrds[@]}" && archive "$1"; } >"$work/initrd"
    local device buses=(pcie.0 pcie.1 pcie.2) edu=edu,dma_mask=0xffffffffffffffff
    # A guest that is lost ends at once and prints its whole log (panic_print). Until then its kernel keeps off the console:
    # it cuts into what is sent there, character by character. The limits of its watchdogs are wide, because the host may
    # leave it without a processor for a while.
    local parameters=(console=hvc0 loglevel=1 panic=-1 panic_print=0x20 oops=panic softlockup_panic=1 nmi_watchdog=panic
        watchdog_thresh=30 "$append")
    # Processors take turns in one thread: if they run side by side, one that reads a register of firmware's or of the
    # interrupt controller while another one moves a BAR finds nothing there, and that machine check ends the guest. Two that
    # take turns do not boot on powernv8.
    local processors=2
    [[ $machine != powernv8 ]] || processors=1
    # shellcheck disable=SC2054 # QEMU's commas
    qemu_command=("${qemu[@]}" -machine "$machine" -accel tcg,thread=single -smp "$processors" -m 4G
        -display none -nic none -no-reboot -kernel "$kernel/vmlinux" -initrd "$work/initrd"
        -append "${parameters[*]}" -d guest_errors -D "$work/qemu.log" -drive "file=${disk//,/,,},if=none,id=disk,format=raw")
    make_rom "$work/rom"
    if [[ $machine == pseries ]]; then
        buses=(bridge1.0 bridge2.0 bridge3.0)
        qemu_command+=(-vga none)
        for device in 1 2 3; do
            qemu_command+=(-device "spapr-pci-host-bridge,index=$device,id=bridge$device")
        done
    fi
    # One to each host bridge: on powernv the bridge is what an IOMMU group is made of, and POWER8 has three.
    qemu_command+=(-device "$edu,bus=${buses[0]}" -device "$edu,bus=${buses[1]}"
        -device "nvme,drive=disk,serial=jvfio,romfile=${work//,/,,}/rom,bus=${buses[2]}${nvme:+,$nvme}" "${more_devices[@]}")
}

# boot GUEST: runs GUEST/run/command in a machine that has all of the directory GUEST. Returns the command's exit status;
# 124 if it was stopped at the limit, 125 if it ended without a status.
boot() {
    local status='' timed_out='' console replies nonce
    nonce=$(od -An -N12 -tx1 /dev/urandom | tr -d ' \n')
    printf '%s' "$nonce" >"$1/run/nonce"
    echo $((limit > 120 ? limit - 60 : limit)) >"$1/run/patience"
    [[ ! $kernel_log ]] || touch "$1/run/log"
    set_qemu_command "$1"
    rm -f "$work"/{monitor.*,replies}
    : >"$work/qemu.log"
    mkfifo "$work/monitor.in" "$work/monitor.out" "$work/replies"

    # Open both ways, so that neither side waits for the other one, and a reply to a guest that has ended harms nobody.
    exec {replies}<>"$work/replies"
    exec {console}< <(exec "${qemu_command[@]}" -chardev stdio,id=console,signal=off -serial chardev:console \
        -chardev "pipe,id=monitor,path=$work/monitor" -mon monitor <&"$replies" 2>"$work/qemu.err")
    qemu_pid=$!
    follow <&"$console"
    exec {console}<&- {replies}<&-
    end_qemu

    if [[ $timed_out || ! $status ]]; then
        [[ -s $work/console.log ]] || cp "$work/qemu.err" "$work/console.log"
        tail -n 25 "$work/console.log" >&2
    fi
    if [[ $timed_out ]]; then
        say "stopped: no end after $limit s (--timeout)"
        status=124
    elif [[ ! $status ]]; then
        say "the guest ended before the command did"
        status=125
    fi

    [[ ! $qemu_log ]] || cp "$work/qemu.log" "$qemu_log"
    if [[ ! $kernel_log ]] && ((status)); then
        mkdir -p "$cache/logs"
        find "$cache/logs" -type f -mtime +1 -delete
        kernel_log=$cache/logs/$machine-$$.log
        say "exit status $status; the kernel's log is $kernel_log"
    fi
    [[ ! $kernel_log ]] || cat "$work/console.log" "$work/kernel.log" >"$kernel_log"
    return "$status"
}

# boot_shell GUEST: the same with a shell on this terminal, and no limit.
boot_shell() {
    touch "$1/run/shell"
    set_qemu_command "$1"
    say "Ctrl-A X ends the machine at once, Ctrl-D in the shell in order"
    "${qemu_command[@]}" -chardev stdio,id=terminal,mux=on,signal=off -serial chardev:terminal -mon terminal
}

end_qemu() {
    [[ $qemu_pid ]] || return 0
    kill "$qemu_pid" 2>/dev/null || true
    wait "$qemu_pid" 2>/dev/null || true
    qemu_pid=''
}

# Reads the console to its end: frames are what lib/power/init sends, all else is the log. Firmware and kernel can cut into
# a frame at any place; what its checksum does not fit is not replied to, and comes again.
follow() {
    local line deadline=$((SECONDS + limit)) log ended=0 read_status number taken=0
    exec {log}>"$work/console.log"
    : >"$work/kernel.log"
    while ((!ended)); do
        read_status=0
        IFS= read -r -t $((deadline > SECONDS ? deadline - SECONDS : 1)) line || read_status=$?
        if ((read_status == 1)); then
            [[ $line ]] || break
            ended=1
        fi
        if ((!ended && SECONDS >= deadline)); then
            [[ ! $status && ! $timed_out ]] || break
            # The kernel answers this interrupt with a panic, and so with its log, if it still can.
            timed_out=yes deadline=$((SECONDS + 30))
            echo nmi >"$work/monitor.in"
        fi
        line=${line%$'\r'}
        if [[ $line =~ ^(.*)$nonce([0-9a-f]+)\ (([oekx])\ ([0-9]+)\ ([0-9A-Za-z+/=]+))$ ]] &&
            [[ ${BASH_REMATCH[2]} == "$(md5sum <<<"${BASH_REMATCH[3]}" | cut -d ' ' -f 1)" ]]; then
            [[ ! ${BASH_REMATCH[1]} ]] || echo "${BASH_REMATCH[1]}" >&"$log"
            number=${BASH_REMATCH[5]}
            ((number == taken)) || take_frame "${BASH_REMATCH[4]}" "${BASH_REMATCH[6]}"
            taken=$number
            echo "$number" >&"$replies"
            [[ ! $status ]] || deadline=$((SECONDS + 15))
        else
            echo "$line" >&"$log"
        fi
    done
    exec {log}>&-
}

# take_frame TYPE BASE64
take_frame() {
    case $1 in
        # Nobody reads this any more: as if it had been the signal that says so.
        o) base64 -d <<<"$2" || exit 141 ;;
        e) base64 -d <<<"$2" >&2 || exit 141 ;;
        k) base64 -d <<<"$2" >>"$work/kernel.log" ;;
        x) status=$(base64 -d <<<"$2") ;;
    esac
}
