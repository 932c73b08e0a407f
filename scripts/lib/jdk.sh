# shellcheck shell=bash
# Sourced: finds, or as root installs, JDK and Maven for the build. Silent unless it installs.

# shellcheck source=scripts/lib/apt.sh
source "${BASH_SOURCE[0]%jdk.sh}apt.sh"

# Whether the directory has a JDK of this feature release, with a compiler.
is_jdk() {
    local release version="\"$2[\".+-]"
    [[ -x $1/bin/javac && -r $1/release ]] || return
    IFS= read -rd '' release <"$1/release" || true
    [[ $'\n'$release =~ $'\n'JAVA_VERSION=$version ]]
}

# Sets JAVA_HOME to a JDK of this feature release. Starts no process if it is that already.
find_jdk() {
    local home java
    if [[ -n ${JAVA_HOME:-} ]] && is_jdk "$JAVA_HOME" "$1"; then
        return
    fi
    java=$(readlink -f "$(command -v java)" || true)
    for home in "${java%/bin/java}" \
        /usr/lib/jvm/* "${HOME:-}"/.sdkman/candidates/java/* "${HOME:-}"/.jdks/*; do
        if [[ -n $home ]] && is_jdk "$home" "$1"; then
            JAVA_HOME=$home
            return
        fi
    done
    return 1
}

# Exports JAVA_HOME, a JDK 25, and puts its programs first on PATH.
require_jdk25() {
    if ! find_jdk 25; then
        if ! apt_install openjdk-25-jdk-headless || ! find_jdk 25; then
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
