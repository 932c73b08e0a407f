# shellcheck shell=bash
# Sourced by every finding: fetches pinned packages into a temporary folder and compares what was seen with what is
# expected. Exit status of a finding: 0 if it holds, 1 if the behaviour changed, 2 if it could not be run.
set -euo pipefail

finding=$(basename "$0" .sh)
work=$(mktemp -d "${TMPDIR:-/tmp}/finding.XXXXXX")
trap 'rm -rf "$work"' EXIT
java=${JAVA_HOME:+$JAVA_HOME/bin/}java
javac=${JAVA_HOME:+$JAVA_HOME/bin/}javac

# not_run REASON: the finding cannot be checked here.
not_run() {
    echo "$finding: not run: $1"
    exit 2
}

# needs COMMAND...
needs() {
    local command
    for command; do
        command -v "$command" >/dev/null || not_run "needs the command $command"
    done
}

# needs_java RELEASE: a JDK of this feature release or a later one, whose version is printed.
needs_java() {
    needs "$java" "$javac"
    local version feature
    version=$("$java" --version 2>/dev/null | head -n 1)
    feature=$(sed -E 's/^[^0-9]*([0-9]+).*/\1/' <<<"$version")
    ((feature >= $1)) || not_run "needs JDK $1 or later, not $version; set JAVA_HOME"
    echo "$finding: $version"
}

# maven GROUP:ARTIFACT:VERSION...: fetches the artifacts and their dependencies; their class path is in $class_path.
maven() {
    needs mvn
    local coordinates group artifact version
    {
        echo '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>'
        echo '<groupId>finding</groupId><artifactId>finding</artifactId><version>1</version><dependencies>'
        for coordinates; do
            IFS=: read -r group artifact version <<<"$coordinates"
            printf '<dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>\n' \
                "$group" "$artifact" "$version"
        done
        echo '</dependencies></project>'
    } >"$work/pom.xml"
    (cd "$work" && mvn -B -q org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
        -DoutputDirectory=jars >maven.log 2>&1 </dev/null) ||
        not_run "Maven cannot fetch $* ($(tail -n 1 "$work/maven.log"))"
    class_path="$work/jars/*"
    echo "$finding: $*"
}

# debian PACKAGE=VERSION: fetches the package, and those that it needs and this host lacks, into $root. Nothing is
# installed.
debian() {
    needs apt-get dpkg
    local -a packages
    root=$work/root
    mkdir -p "$work/packages" "$root"
    mapfile -t packages < <(apt-get install --simulate --no-install-recommends "$1" 2>/dev/null |
        awk '/^Inst/ { version = $0; sub(/^[^(]*\(/, "", version); sub(/ .*/, "", version); print $2 "=" version }')
    # A package that is installed here in this version needs no others.
    ((${#packages[@]} > 0)) || packages=("$1")
    (cd "$work/packages" && apt-get download -q "${packages[@]}" >apt.log 2>&1) ||
        not_run "Debian's archive does not offer $1 to this host"
    local package
    for package in "$work"/packages/*.deb; do
        dpkg -x "$package" "$root"
    done
    echo "$finding: $1"
}

# expect WHAT EXPECTED SEEN: prints what was seen; the finding has changed if it differs.
expect() {
    echo "$finding: $1: $3"
    if [[ $3 != "$2" ]]; then
        echo "$finding: changed: $1 was: $2"
        exit 1
    fi
}
