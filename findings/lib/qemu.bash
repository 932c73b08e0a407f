# shellcheck shell=bash
# Sourced after finding.bash: QEMU's POWER machines, of Debian 12.
debian 'qemu-system-ppc=1:7.2+dfsg-7+deb12u18+b3'
qemu() {
    LD_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu:$root/lib/x86_64-linux-gnu \
        timeout 60 "$root/usr/bin/qemu-system-ppc64" -L "$root/usr/share/qemu" "$@"
}
