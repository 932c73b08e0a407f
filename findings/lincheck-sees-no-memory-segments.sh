#!/usr/bin/env bash
# Lincheck 3.7's model checker does not see accesses of a MemorySegment, so it finds no race in them.
#
# Expected: increment(), read and write without a lock, is reported as not linearizable, whether the counter is a field
# or four bytes of a MemorySegment.
# Seen: the race of the field is found; the same one in the segment passes, because an access of a segment is no point
# where the checker switches threads. Why it matters: code on the foreign function and memory API keeps its shared state
# in segments (rings, doorbells, indexes), and a check that passes says nothing about them. jcstress sees these races.
#
# Version: Lincheck 3.7
. "$(dirname "$0")/lib/finding.bash"
needs_java 25
maven org.jetbrains.lincheck:lincheck:3.7

cat >"$work/Counters.java" <<'JAVA'
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.jetbrains.lincheck.datastructures.ModelCheckingOptions;
import org.jetbrains.lincheck.datastructures.Operation;

public final class Counters {
    public static final class OfField {
        private int count;

        @Operation
        public int increment() {
            return ++count;
        }
    }

    public static final class OfSegment {
        private final MemorySegment memory = Arena.ofAuto().allocate(ValueLayout.JAVA_INT);

        @Operation
        public int increment() {
            int next = memory.get(ValueLayout.JAVA_INT, 0) + 1;
            memory.set(ValueLayout.JAVA_INT, 0, next);
            return next;
        }
    }

    private static String check(Class<?> counter) {
        try {
            new ModelCheckingOptions()
                    .threads(2)
                    .actorsPerThread(2)
                    .actorsBefore(0)
                    .actorsAfter(0)
                    .iterations(3)
                    .invocationsPerIteration(500)
                    .check(counter);
            return "passes";
        } catch (AssertionError race) {
            return "race found";
        }
    }

    public static void main(String[] arguments) {
        System.out.println(check(OfField.class));
        System.out.println(check(OfSegment.class));
    }
}
JAVA
"$javac" -cp "$class_path" -d "$work/classes" "$work/Counters.java"
mapfile -t seen < <("$java" -XX:+EnableDynamicAgentLoading -cp "$class_path:$work/classes" Counters 2>"$work/errors")
expect 'a field' 'race found' "${seen[0]:-$(tail -n 1 "$work/errors")}"
expect 'a segment' passes "${seen[1]:-$(tail -n 1 "$work/errors")}"
