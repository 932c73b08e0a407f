package org.jvfio.ioctl;

import java.util.Map;
import java.util.StringJoiner;
import java.util.TreeMap;

/** Builds the text of a call: {@code NAME(field value, ...)}. */
final class CallText {
    private final StringJoiner fields;

    CallText(String name) {
        fields = new StringJoiner(", ", name + "(", ")").setEmptyValue(name);
    }

    /** The text of fields alone, without a call. */
    static CallText ofFields() {
        return new CallText(new StringJoiner(", "));
    }

    private CallText(StringJoiner fields) {
        this.fields = fields;
    }

    CallText decimal(String field, int value) {
        return word(field, Integer.toString(value));
    }

    CallText hex(String field, long value) {
        return word(field, "0x" + Long.toHexString(value));
    }

    CallText word(String field, String value) {
        fields.add(field + " " + value);
        return this;
    }

    CallText word(String value) {
        fields.add(value);
        return this;
    }

    /** Adds flags by name, and what has no name in hexadecimal. */
    CallText flags(String field, int flags, Map<Integer, String> names) {
        StringJoiner set = new StringJoiner(" | ").setEmptyValue("0");
        int unnamed = flags;
        for (Map.Entry<Integer, String> flag : new TreeMap<>(names).entrySet()) {
            if ((flags & flag.getKey()) != 0) {
                set.add(flag.getValue());
                unnamed &= ~flag.getKey();
            }
        }
        if (unnamed != 0) {
            set.add("0x" + Integer.toHexString(unnamed));
        }
        return word(field, set.toString());
    }

    /** Adds the size that the caller claims for its struct, if that is not the usual one. */
    CallText argsz(int argsz, long usual) {
        return argsz == usual ? this : word("argsz", Integer.toUnsignedString(argsz));
    }

    /** Adds flags that should be 0, if they are not. */
    CallText noFlags(int flags) {
        return flags == 0 ? this : hex("flags", Integer.toUnsignedLong(flags));
    }

    @Override
    public String toString() {
        return fields.toString();
    }
}
