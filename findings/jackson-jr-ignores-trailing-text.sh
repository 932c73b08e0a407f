#!/usr/bin/env bash
# jackson-jr 2.22.4 reads the first JSON value of a text and ignores everything after it.
#
# Expected: a text with something after its root value is not JSON (RFC 8259, section 2), so reading it fails, as it
# does for a duplicate key.
# Seen: JSON.mapFrom returns the first object, whatever follows; no feature of JSON.Feature changes that. The streaming
# parser below it reports the same text. Why it matters: a configuration file that was cut and pasted, or merged badly,
# is read without a word about its second half. Read with a parser of JsonFactory, and call nextToken() once more.
#
# Version: jackson-jr 2.22.4
. "$(dirname "$0")/lib/finding.bash"
needs_java 25
maven com.fasterxml.jackson.jr:jackson-jr-objects:2.22.4

cat >"$work/Read.java" <<'JAVA'
import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.jr.ob.JSON;

String read(String text) throws Exception {
    try {
        return JSON.std.with(JSON.Feature.FAIL_ON_DUPLICATE_MAP_KEYS).mapFrom(text).toString();
    } catch (Exception refused) {
        return "refused";
    }
}

String parse(String text) throws Exception {
    try (var parser = new JsonFactory().createParser(text)) {
        while (parser.nextToken() != null) {
            // To the end of the text.
        }
        return "accepted";
    } catch (JsonParseException refused) {
        return "refused";
    }
}

void main() throws Exception {
    IO.println(read("{\"a\": 1} {\"a\": 2}"));
    IO.println(read("{\"a\": 1}, and more"));
    IO.println(read("{\"a\": 1, \"a\": 2}"));
    IO.println(parse("{\"a\": 1}, and more"));
}
JAVA
mapfile -t seen < <("$java" -cp "$class_path" "$work/Read.java")
expect 'two objects' '{a=1}' "${seen[0]:-}"
expect 'an object and text' '{a=1}' "${seen[1]:-}"
expect 'a duplicate key' refused "${seen[2]:-}"
expect 'an object and text, by the streaming parser' refused "${seen[3]:-}"
