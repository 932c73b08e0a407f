# shellcheck shell=bash
# Sourced: finds, or as root installs, JDK and Maven for the build. Silent unless it installs.

# shellcheck source=scripts/lib/apt.sh
source "$(dirname "${BASH_SOURCE[0]}")/apt.sh"

# Whether the directory has a JDK of this feature release, with a compiler.
is_jdk() {
    local release version="\"$2[\".+-]"
    [[ -x $1/bin/javac && -r $1/release ]] || return
    IFS= read -rd '' release <"$1/release" || true
    [[ $'\n'$release =~ $'\n'JAVA_VERSION=$version ]]
}

find_jdk() {
    local home java
    java=$(command -v java || true)
    for home in "${JAVA_HOME:-}" "${java:+$(dirname "$(dirname "$(readlink -f "$java")")")}" \
        /usr/lib/jvm/* "${HOME:-}"/.sdkman/candidates/java/* "${HOME:-}"/.jdks/*; do
        if [[ -n $home ]] && is_jdk "$home" "$1"; then
            echo "$home"
            return
        fi
    done
    return 1
}

# Exports JAVA_HOME, a JDK 25, and puts its programs first on PATH.
require_jdk25() {
    if ! JAVA_HOME=$(find_jdk 25); then
        if ! apt_install openjdk-25-jdk-headless || ! JAVA_HOME=$(find_jdk 25); then
            echo "jvfio: JDK 25 is missing: install one (Eclipse Temurin 25, or openjdk-25-jdk-headless of" \
                "Debian 13 or Ubuntu 24.04) and set JAVA_HOME to it" >&2
            return 1
        fi
    fi
    export JAVA_HOME PATH="$JAVA_HOME/bin:$PATH"
}

require_maven() {
    command -v mvn >/dev/null && return
    if ! apt_install maven || ! command -v mvn >/dev/null; then
        echo "jvfio: Maven 3.8 or newer is missing: install it (package maven) and put mvn on PATH" >&2
        return 1
    fi
}
