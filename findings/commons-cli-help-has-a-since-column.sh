#!/usr/bin/env bash
# Commons CLI 1.11.0: the help of options that have no "since" shows a column "Since".
#
# Expected: org.apache.commons.cli.help.HelpFormatter, which replaces org.apache.commons.cli.HelpFormatter, prints two
# columns, options and descriptions, as its predecessor does.
# Seen: a third column between them, with "--" in every row; the builder's setShowSince(false) turns it off. Why it
# matters: a program that follows the deprecation changes its help, for the worse on a terminal of 80 columns.
#
# Version: commons-cli 1.11.0
. "$(dirname "$0")/lib/finding.bash"
needs_java 25
maven commons-cli:commons-cli:1.11.0

cat >"$work/Help.java" <<'JAVA'
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;
import org.apache.commons.cli.help.HelpFormatter;

void main() throws Exception {
    var options = new Options().addOption(Option.builder("o").longOpt("output").desc("file to write").get());
    HelpFormatter.builder().get().printHelp("copy", "", options, "", false);
}
JAVA
help=$("$java" -cp "$class_path" "$work/Help.java")
expect 'columns' 'Options Since Description' "$(grep Options <<<"$help" | xargs)"
expect 'first row' '-o, --output -- file' "$(awk '/--output/ { print $1, $2, $3, $4 }' <<<"$help")"

old() {
    sed -e 's/HelpFormatter.builder().get().printHelp.*/new HelpFormatter().printHelp("copy", options);/' \
        -e 's/cli.help.Help/cli.Help/' "$work/Help.java" >"$work/old/Help.java"
    "$java" -cp "$class_path" "$work/old/Help.java" 2>/dev/null
}
mkdir "$work/old"
expect 'first row of the deprecated formatter' '-o,--output file to' "$(old | awk '/--output/ { print $1, $2, $3 }')"
