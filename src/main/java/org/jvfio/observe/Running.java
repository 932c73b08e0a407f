package org.jvfio.observe;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** The calls that have begun and not ended, at most one of each thread. */
final class Running {
    private final Map<Integer, RecordedCall> calls = new LinkedHashMap<>();

    void begun(RecordedCall call) {
        calls.put(call.caller().number(), call);
    }

    void ended(RecordedCall call) {
        calls.remove(call.caller().number());
    }

    List<RecordedCall> calls() {
        return new ArrayList<>(calls.values());
    }
}
