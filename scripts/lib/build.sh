# shellcheck shell=bash
# Sourced after jdk.sh: builds target/jvfio.jar, its libraries in target/lib, and the caches that it starts quickly with.
#
# MAVEN_ARGS is passed to every Maven run, for example MAVEN_ARGS=-Dmaven.repo.local=/var/tmp/repository

project=${BASH_SOURCE[0]%/scripts/lib/build.sh}
[[ $project == /* ]] || project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=$project/target
# shellcheck source=scripts/lib/java.sh
source "$project/scripts/lib/java.sh"
# The one for long runs takes longer to make than it saves between two builds.
aot_caches=(help hosts)

# Maven 3.9 reads MAVEN_ARGS itself, 3.8 does not: both get it once.
maven() {
    local -a arguments
    read -ra arguments <<<"${MAVEN_ARGS:-}"
    (cd "$project" && MAVEN_ARGS='' mvn -B "${arguments[@]}" "$@" </dev/null)
}

# Whether the jar exists and none of its inputs has changed since. Removing a file changes its directory.
is_built() {
    [[ -e $target/.built && -e $target/jvfio.jar && -d $target/lib ]] &&
        [[ -z $(find "$project/pom.xml" "$project/.mvn" "$project/src/main" -newer "$target/.built" -print -quit) ]]
}

# Waits until no other build runs. The calling shell holds the lock until it ends.
lock_build() {
    mkdir -p "$target"
    exec 9>"$target/.build.lock"
    if ! flock -n 9; then
        echo "jvfio: waiting for another build ..." >&2
        flock 9
    fi
}

# maven_packages ARGUMENT...: builds the jar with Maven; the caller holds the lock. The jar counts as of the start of
# the run, as files may change meanwhile.
maven_packages() {
    # The old jar of a changed dependency would be a second copy of its module.
    rm -rf "$target/.built" "${target:?}/lib"
    local began
    began=$(date +%s.%N)
    maven "$@" || return
    touch --date="@$began" "$target/.built"
}

# Builds what is missing or out of date, and reports it in one line; fails with the errors of Maven's log. Only one
# build runs at a time.
build_project() {
    if is_built && is_aot_cache_current; then
        return
    fi
    if is_built && [[ ! -w $target ]]; then
        return # it is run without caches
    fi
    require_maven
    (
        lock_build
        if ! is_built; then
            echo "jvfio: building (the first run downloads dependencies) ..." >&2
            if ! maven_packages --no-transfer-progress -Dmaven.test.skip=true package >"$target/build.log" 2>&1; then
                # A warning fails the compilation too, and is not repeated at the end of the log.
                grep -E '^\[(WARNING|ERROR)\]|^Error' "$target/build.log" | head -n 30 >&2 || true
                echo "jvfio: the build failed; its log is $target/build.log" >&2
                exit 1
            fi
        fi
        if ! is_aot_cache_current; then
            make_aot_caches
        fi
    )
}

are_tests_built() {
    [[ -e $target/.built-tests && -d $target/test-lib && ! $target/.built-tests -ot $target/.built ]] &&
        [[ -z $(find "$project/src/test" -newer "$target/.built-tests" -print -quit) ]]
}

test_sources() {
    find "$project/src/test" "$project/scripts/lib/power" -type f | LC_ALL=C sort
}

# Whether all that changed since the tests were built are classes of tests, which nothing else is compiled against.
have_only_tests_changed() {
    local changed
    [[ -e $target/.built-tests && -d $target/test-lib && ! $target/.built-tests -ot $target/.built ]] &&
        [[ -r $target/.test-sources && $(test_sources) == "$(<"$target/.test-sources")" ]] &&
        changed=$(find "$project/src/test" "$project/scripts/lib/power" -type f -newer "$target/.built-tests") &&
        ! grep -qvE '/src/test/java/.*Test\.java$' <<<"$changed"
}

# Builds what is missing or out of date, the tests too: target/test-classes, and all their libraries in target/test-lib.
build_tests() {
    build_project
    if are_tests_built; then
        return
    fi
    require_maven
    (
        lock_build
        ! are_tests_built || exit 0
        echo "jvfio: building the tests ..." >&2
        local began sources
        local -a goals
        began=$(date +%s.%N)
        sources=$(test_sources)
        if have_only_tests_changed; then
            # Without its incremental detection the plugin compiles only the files that are newer than their classes.
            goals=(-o -Dmaven.compiler.useIncrementalCompilation=false compiler:testCompile@default-testCompile)
        else
            goals=(test-compile dependency:copy-dependencies@test-libraries)
            rm -rf "$target/.built-tests" "${target:?}/test-lib"
        fi
        if ! maven --no-transfer-progress "${goals[@]}" >"$target/build.log" 2>&1; then
            grep -E '^\[(WARNING|ERROR)\]|^Error' "$target/build.log" | head -n 30 >&2 || true
            echo "jvfio: the build of the tests failed; its log is $target/build.log" >&2
            exit 1
        fi
        printf '%s\n' "$sources" >"$target/.test-sources"
        touch --date="@$began" "$target/.built-tests"
    )
}
