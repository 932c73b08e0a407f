# shellcheck shell=bash
# Sourced after finding.bash: QEMU's devices by its own test protocol, without firmware or kernel: the processor has
# an endless loop to run.

# protocol COMMAND...: starts a QEMU that listens to the protocol.
protocol() {
    mkfifo "$work/to" "$work/from"
    "$@" -qtest stdio -display none -nodefaults <"$work/to" >"$work/from" 2>"$work/log" &
    exec {to}>"$work/to" {from}<"$work/from"
    trap 'kill %1 2>/dev/null || true; rm -rf "$work"' EXIT
}

# say COMMAND...: one command of the protocol; its result is in $reply.
say() {
    echo "$@" >&"$to"
    read -r -t 30 reply <&"$from" || not_run "QEMU does not reply to $1 ($(tail -n 1 "$work/log"))"
    [[ $reply == OK* ]] || not_run "QEMU refuses $1: $reply"
}

# number: the value that the last command read.
number() {
    echo $((${reply#OK }))
}
