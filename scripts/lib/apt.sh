# shellcheck shell=bash
# Sourced: installs packages of the host's release.

# apt_install PACKAGE: fails silently if there is no such package, no apt, or no permission to use it.
apt_install() {
    local log
    ((EUID == 0)) && command -v apt-get >/dev/null || return 1
    if ! apt-cache show "$1" >/dev/null 2>&1; then
        apt-get -qq update >/dev/null 2>&1 || true
        apt-cache show "$1" >/dev/null 2>&1 || return 1
    fi
    echo "jvfio: installing $1 with apt-get ..." >&2
    log=$(mktemp)
    if ! DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 install -y --no-install-recommends "$1" \
        >"$log" 2>&1 </dev/null; then
        tail -n 5 "$log" >&2
        rm -f "$log"
        return 1
    fi
    rm -f "$log"
}
