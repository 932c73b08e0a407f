# shellcheck shell=bash
# Sourced: starts Java programs of the project from $target, which has jvfio.jar, its libraries in lib, and the caches of
# loaded classes that they start quickly with. Installed packages use it, too.

# The command, for such a java_command; its libraries are optional for the module.
jvfio_main=(--add-modules org.apache.commons.cli,com.fasterxml.jackson.jr.ob --module org.jvfio/org.jvfio.cli.Launcher)

# The caches: one for what only prints text, one for all that looks at a host, one for long runs. The JVM loads all classes
# of a cache when it starts, and text needs a third of them. The one for long runs has profiles of methods, too, so that
# they are compiled sooner.
aot_caches=(help hosts drives)

# is_long_run ARGUMENT...: whether a command line is one that runs for longer than the second compiler needs.
is_long_run() {
    case "${1:-} ${2:-}" in
        'nvme bench' | 'nvme verify' | 'nvme read' | 'nvme write') return 0 ;;
        *) return 1 ;;
    esac
}

# set_aot_cache ARGUMENT...: sets aot_cache to the cache for a command line.
set_aot_cache() {
    case " $* " in
        *' --help '* | *' -h '* | ' help '* | ' --version ' | ' -V ' | ' completion '* | '  ') aot_cache=$target/jvfio-help.aot ;;
        *) aot_cache=$target/jvfio-hosts.aot ;;
    esac
    if [[ $aot_cache != *-help.aot && -s $target/jvfio-drives.aot ]] && is_long_run "$@"; then
        aot_cache=$target/jvfio-drives.aot
    fi
}

# set_java_command ARGUMENT...: sets the array java_command to a JVM that runs the built project with these arguments,
# with options for a quick start: it maps the cache, or the archive of its own classes, where that was made for, as
# relocating 20 MB takes longer than a short command. Warnings of the JVM do not go to standard output, which is for data.
set_java_command() {
    local aot_cache
    set_aot_cache "$@"
    java_command=("$JAVA_HOME/bin/java" -Xlog:disable '-Xlog:all=warning,aot*=off:stderr' -XX:+UseSerialGC
        -XX:+UnlockDiagnosticVMOptions -XX:ArchiveRelocationMode=0
        --module-path "$target/jvfio.jar:$target/lib" --enable-native-access=org.jvfio)
    if [[ -s $aot_cache ]] && is_aot_cache_current; then
        java_command+=(-XX:AOTCache="$aot_cache")
    fi
}

# limit_compilers ARGUMENT...: adds to java_command for a command line; only long runs profit from the second compiler.
limit_compilers() {
    is_long_run "$@" || [[ ${1:-} == shell ]] || java_command+=(-XX:TieredStopAtLevel=1)
}

# Sets aot_identity to what the caches depend on: the project's path and the JDK. With others the JVM would ignore the
# cache, and the archive of its own classes with it, which is slower than no cache.
set_aot_identity() {
    local release
    IFS= read -rd '' release <"$JAVA_HOME/release" || true
    aot_identity=$target$'\n'$JAVA_HOME$'\n'$release
}

# Whether the caches, or a failed attempt to create them, belong to this path, JDK and jar. Starts no process.
is_aot_cache_current() {
    local aot_identity recorded
    set_aot_identity
    [[ -r $target/jvfio.aot.for ]] && IFS= read -rd '' recorded <"$target/jvfio.aot.for"
    [[ ${recorded:-} == "$aot_identity" && ! $target/jvfio.jar -nt $target/jvfio.aot.for &&
        ! $target/jvfio.jar -ot $target/jvfio.aot.for ]]
}

# A cache that cannot be created stays empty until the jar, the path or the JDK changes. A running JVM may have the old
# one mapped. Their record has the time of the jar, which the JVM compares, too.
make_aot_caches() {
    local -a java_command
    local name cache profiles aot_identity
    rm -f "$target/jvfio.aot.for"
    : >"$target/aot.log"
    for name in "${aot_caches[@]}"; do
        cache=$target/jvfio-$name.aot
        rm -f "$cache"
        : >"$cache"
        set_java_command
        # Profiles of methods for long runs alone: a short command would compile what they name, and end before that pays.
        profiles=-XX:-AOTRecordTraining
        [[ $name != drives ]] || profiles=-XX:+AOTRecordTraining
        if "${java_command[@]}" '-Xlog:aot*=warning:stderr' "$profiles" -XX:AOTCacheOutput="$cache.new" \
            "${jvfio_main[@]/%Launcher/Training}" "$name" >>"$target/aot.log" 2>&1 </dev/null &&
            "${java_command[@]}" -XX:AOTCache="$cache.new" -XX:AOTMode=on \
                "${jvfio_main[@]}" --version >>"$target/aot.log" 2>&1 </dev/null; then
            mv "$cache.new" "$cache"
        fi
        rm -f "$cache.new"
    done
    set_aot_identity
    printf '%s\0' "$aot_identity" >"$target/jvfio.aot.for"
    touch -r "$target/jvfio.jar" "$target/jvfio.aot.for"
}
