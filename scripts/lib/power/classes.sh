# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with scripts/power
# Sourced by scripts/power: archives of loaded classes (class data sharing), without which a JVM takes several times as
# long to start on an emulated processor. Debian's own fits kernels with 4K pages only. They are made in a guest, and fit
# every machine with its page size.

# make_archive DIRECTORY NAME GUEST SCRIPT: an initrd that adds /jre/lib/server/NAME, which is /tmp/NAME after SCRIPT.
make_archive() {
    local machine=pseries limit=1800 kernel_log='' qemu_log='' append=''
    # shellcheck disable=SC2054 # QEMU's commas
    local more_devices=(-device virtio-serial-pci -chardev "file,id=file,path=$1/$2" -device virtserialport,chardev=file)
    mkdir -p "$3/run" "$1/root/jre/lib/server"
    echo "{ $4; } >&2 && cat /tmp/$2 >/dev/vport0p1" >"$3/run/command"
    boot "$3" 2>"$work/archive.log" ||
        fail "no archive of classes was made; the guest said: $(tail -n 20 "$work/archive.log")"
    mv "$1/$2" "$1/root/jre/lib/server/"
    compress "$1/root" >"$1/initrd"
    rm -r "$1/root"
}

make_jre_archive() {
    say "preparing the JRE ..."
    make_archive "$1" classes.jsa "$work/jre" 'java --enable-native-access=ALL-UNNAMED -Xshare:dump -XX:SharedArchiveFile=/tmp/classes.jsa'
}

# Sets what runs JUnit in the guest: junit_java, junit_class_path, class_path (the rest of it), junit_launcher. An archive
# is for the options of the JVM and the beginning of the class path that it was made with.
set_junit_command() {
    local jar
    junit_class_path='' class_path=/jvfio/test-classes:/jvfio/jvfio.jar
    for jar in "$target"/test-lib/*.jar; do
        jar=/jvfio/test-lib/${jar##*/}
        case $jar in
            */junit-* | */opentest4j-* | */open-test-reporting-*) junit_class_path+=${junit_class_path:+:}$jar ;;
            *) class_path+=:$jar ;;
        esac
    done
    junit_java=(java --enable-native-access=ALL-UNNAMED -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xmx1g
        -XX:+UnlockDiagnosticVMOptions -XX:ArchiveRelocationMode=0)
    junit_launcher=(org.junit.platform.console.ConsoleLauncher execute --disable-banner --disable-ansi-colors
        --include-engine=junit-jupiter)
}

# copy_test_libraries GUEST. An archive names its jars by time stamp too.
copy_test_libraries() {
    cp -r "$target/test-lib" "$1/jvfio/"
    touch --date=@0 "$1"/jvfio/test-lib/*
}

# On top of the JRE's, from a run of a small test.
make_junit_archive() {
    local guest=$work/junit
    say "preparing JUnit ..."
    mkdir -p "$guest/jvfio/warm-up"
    copy_test_libraries "$guest"
    "$JAVA_HOME/bin/javac" --release 25 -cp "$target/test-lib/*" -d "$guest/jvfio/warm-up" "$lib/power/WarmUp.java"
    make_archive "$1" junit.jsa "$guest" "$(quote "${junit_java[@]}" -XX:ArchiveClassesAtExit=/tmp/junit.jsa \
        -cp "$junit_class_path" "${junit_launcher[@]}" --class-path /jvfio/warm-up --select-class WarmUp)"
}
