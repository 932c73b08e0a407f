# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with scripts/power
# Sourced by scripts/power: what is needed from Debian's archive, kept unpacked in $cache.
#
# apt runs with directories of its own, so that the host's lists, packages, architectures and settings stay as they are,
# and checks signatures and hashes as always. It is asked for the newest version once; --update asks again.

declare -A archives # those whose lists were read in this run
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# Checks for the programs that are used here; as root installs what is missing.
require_tools() {
    local tool missing=()
    for tool in apt-get:apt dpkg-deb:dpkg cpio:cpio zstd:zstd xz:xz-utils flock:util-linux; do
        command -v "${tool%:*}" >/dev/null || missing+=("${tool#*:}")
    done
    [[ -r $keyring ]] || missing+=(debian-archive-keyring)
    ((${#missing[@]})) || return 0
    if ((EUID != 0)) || ! command -v apt-get >/dev/null; then
        fail "missing: install ${missing[*]} (Debian's package names)"
    fi
    say "installing ${missing[*]} with apt-get ..."
    { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends "${missing[@]}"; } \
        >"$work/apt.log" 2>&1 </dev/null || fail "apt-get could not install ${missing[*]}: $(tail -n 1 "$work/apt.log")"
}

# Debian's archive: --mirror, or where the host's own release comes from.
site() {
    local codename
    if [[ -z $mirror ]]; then
        codename=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
        # shellcheck disable=SC2016 # apt-get's variables
        mirror=$(apt-get indextargets --no-release-info --format '$(RELEASE) $(SITE)' 2>/dev/null |
            awk -v release="$codename" '$1 == release { print $2; exit }')
        [[ $mirror && $(. /etc/os-release && echo "$ID") == debian ]] ||
            fail "apt is not set up for Debian here: name a Debian mirror with --mirror URL"
    fi
    echo "$mirror"
}

# read_lists ROOT SITE SUITE...
read_lists() {
    local suite
    for suite in "${@:3}"; do
        echo "deb [signed-by=$keyring] $2 $suite main"
    done >"$1/sources.list"
    apt-get "${apt_options[@]}" update >"$work/apt.log" 2>&1
}

# other_names SUITE...: trixie is stable in 2026, and so on; a suite without another name stays as it is.
other_names() {
    local suite
    for suite; do
        case $suite in
            trixie) echo stable ;;
            sid) echo unstable ;;
            *) echo "$suite" ;;
        esac
    done
}

# use_archive NAME ARCHITECTURE STATUS SUITE...: sets apt_options to an apt of its own, with the suites' current lists.
# STATUS is the file that says what is installed already.
use_archive() {
    local root=$cache/apt/$1 from others
    apt_options=(-qq -o "Dir::State=$root" -o "Dir::State::status=$3" -o "Dir::Cache=$root"
        -o "Dir::Etc::sourcelist=$root/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o Dir::Etc::preferences=/dev/null -o Dir::Etc::preferencesparts=/dev/null
        -o "APT::Architecture=$2" -o "APT::Architectures=$2" -o APT::Sandbox::User=root
        -o Acquire::Languages=none -o Acquire::Retries=3 -o Debug::NoLocking=true)
    [[ ! ${archives[$1]:-} ]] || return 0
    from=$(site)
    mkdir -p "$root/lists/partial" "$root/archives/partial"
    # While a mirror is being updated, a release may be whole under its other name only.
    mapfile -t others < <(other_names "${@:4}")
    read_lists "$root" "$from" "${@:4}" || read_lists "$root" "$from" "${others[@]}" ||
        fail "apt cannot read ${*:4} from $from: $(grep -m 1 '^[EW]:' "$work/apt.log")"
    archives[$1]=current
}

# download DIRECTORY PACKAGE...: the packages' newest versions.
download() {
    mkdir -p "$1"
    (cd "$1" && apt-get "${apt_options[@]}" download "${@:2}") >"$work/apt.log" 2>&1 ||
        fail "apt cannot download ${*:2}: $(grep -m 1 '^E:' "$work/apt.log")"
}

# unpack DIRECTORY: the packages in it, which make place for the tree that was in them.
unpack() {
    local package
    for package in "$1"/*.deb; do
        dpkg -x "$package" "$1"
        rm "$package"
    done
}

# keep NAME KEY MAKER ARGUMENT...: $cache/NAME, made by MAKER in a directory that takes this name once it is whole; made
# anew when KEY is another, or when $renew is set.
keep() {
    local made=$cache/$1
    if [[ -e $made/key && $(<"$made/key") == "$2" && ! $renew ]]; then
        return
    fi
    rm -rf "$made.new"
    mkdir -p "$made.new"
    "$3" "$made.new" "${@:4}"
    echo "$2" >"$made.new/key"
    rm -rf "$made"
    mv "$made.new" "$made"
}

# hash_of FILE...: of files of lib/power, which is part of the key of what they make.
hash_of() {
    (cd "$lib/power" && cat "$@") | sha256sum
}

# QEMU 10 or newer: the host's, or the one of its Debian release or of the backports to it. Sets qemu.
require_qemu() {
    local version
    version=$(qemu-system-ppc64 --version 2>/dev/null | sed -n '1s/.*version \([0-9]*\).*/\1/p' || true)
    if ((${version:-0} >= 10)); then
        qemu=(qemu-system-ppc64)
        return
    fi
    keep qemu "$(hash_of packages.sh)" make_qemu
    local libraries=("$cache"/qemu/usr/lib/*-linux-gnu* "$cache"/qemu/lib/*-linux-gnu*)
    qemu=(env "LD_LIBRARY_PATH=$(IFS=: && echo "${libraries[*]}")" "$cache/qemu/usr/bin/qemu-system-ppc64"
        -L "$cache/qemu/usr/share/qemu")
}

make_qemu() {
    local suite suites packages
    say "fetching QEMU ..."
    suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
    suites=("$suite")
    if (($(. /etc/os-release && echo "${VERSION_ID:-99}") < 13)); then
        suite+=-backports
        suites+=("$suite")
    fi
    use_archive host "$(dpkg --print-architecture)" /var/lib/dpkg/status "${suites[@]}"
    mapfile -t packages < <(apt-get "${apt_options[@]}" --simulate --no-install-recommends --target-release "$suite" \
        install qemu-system-ppc 2>"$work/apt.log" | awk '$1 == "Inst" && match($0, /\([^ ]+/) { print $2 "=" substr($0, RSTART + 1, RLENGTH - 1) }')
    ((${#packages[@]})) || fail "apt cannot install qemu-system-ppc: $(grep -m 1 '^E:' "$work/apt.log")"
    download "$1" "${packages[@]}"
    unpack "$1"
}

# make_kernel DIRECTORY SUITE PAGES: vmlinux, VFIO's modules, and those of the NVMe driver.
make_kernel() {
    local flavour=powerpc64le name module parts
    [[ $3 == 4k ]] || flavour+=-64k
    say "fetching the kernel of $2 with ${3%k}K pages ..."
    use_archive "$2" ppc64el /dev/null "$2"
    depends() {
        apt-cache "${apt_options[@]}" depends "$1" | awk -v pattern="$2" '$1 == "Depends:" && $2 ~ pattern { print $2 }'
    }
    # The kernel is in the image itself up to Linux 6.12, later in packages that this one depends on.
    name=$(depends "linux-image-$flavour" '^linux-image-[0-9]')
    mapfile -t parts < <(depends "$name" '^linux-(binary|modules)-[0-9]')
    download "$1/all" "${parts[@]:-$name}"
    (cd "$1/all" && echo ./*.deb) >"$1/versions"
    unpack "$1/all"
    mv "$1"/all/boot/vmlinu* "$1/vmlinux" 2>/dev/null || mv "$1"/all/usr/lib/modules/*/vmlinuz "$1/vmlinux"
    mkdir "$1/modules"
    find "$1/all" \( -path '*/drivers/vfio/*' -name '*.ko*' -o -name 'nvme.ko*' -o -name 'nvme-core.ko*' \
        -o -name 'nvme-auth.ko*' -o -name 'nvme-keyring.ko*' \) -exec mv -t "$1/modules" {} +
    for module in "$1"/modules/*; do
        case $module in
            *.xz) xz -d "$module" ;;
            *.zst) zstd -q -d --rm "$module" ;;
        esac
    done
    rm -rf "$1/all"
}

# make_java DIRECTORY: a root directory with a JRE and busybox. Both are of the release that the JRE is in, whatever the kernel.
make_java() {
    local system=usr/lib/powerpc64le-linux-gnu
    say "fetching OpenJDK 25 for ppc64el ..."
    use_archive trixie ppc64el /dev/null trixie
    download "$1/all" openjdk-25-jre-headless libc6 libc-bin zlib1g libstdc++6 libgcc-s1 busybox-static
    (cd "$1/all" && echo ./*.deb) >"$1/versions"
    unpack "$1/all"
    mkdir -p "$1/root"/{bin,dev,etc,lib64,proc,root,sys,tmp,"$system",usr/lib/locale}
    (
        cd "$1/all" || exit
        cp usr/bin/busybox "$1/root/bin/"
        cp -a "$system"/lib{c,m,dl,pthread,rt}.so.* "$system"/ld64.so.2 "$system"/lib{z,gcc_s,stdc++}.so* \
            "$1/root/$system/"
        cp -a usr/lib/locale/C.utf8 "$1/root/usr/lib/locale/"
        cp -a "$system/ld64.so.2" "$1/root/lib64/"
        cp -a etc/java-25-openjdk "$1/root/etc/"
        mv usr/lib/jvm/java-25-openjdk-ppc64el "$1/root/jre"
        # An initrd may have 128 MiB: leave out what draws, plays, debugs and documents.
        cd "$1/root/jre" || exit
        rm -rf docs legal man lib/server/classes*.jsa lib/jrt-fs.jar \
            lib/lib{awt,awt_headless,mlib_image,fontmanager,jsound,javajpeg,lcms,saproc,jdwp,dt_socket}.so
    )
    rm -rf "$1/all"
}
