package org.jvfio.cli;

import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;

/**
 * Compares a document with its schema, as far as {@link JsonShape} makes use of schemas; what it does not name is
 * wrong.
 */
final class JsonSchema {
    private final List<String> problems = new ArrayList<>();

    private JsonSchema() {}

    static List<String> problems(Map<?, ?> schema, Object value) {
        JsonSchema check = new JsonSchema();
        check.check("", schema, value);
        return check.problems;
    }

    private void check(String path, Map<?, ?> schema, Object value) {
        boolean fits = switch (String.valueOf(schema.get("type"))) {
            case "string" -> value instanceof String;
            case "integer" -> value instanceof Integer || value instanceof Long || value instanceof BigInteger;
            case "number" -> value instanceof Number;
            case "boolean" -> value instanceof Boolean;
            case "array" -> value instanceof List;
            case "object" -> value instanceof Map;
            default -> false;
        };
        if (!fits) {
            problems.add(path + " is " + value + ", no " + schema.get("type"));
            return;
        }
        if (schema.get("pattern") instanceof String pattern && !value.toString().matches(pattern)) {
            problems.add(path + " is " + value + ", not as " + pattern);
        }
        if (schema.get("enum") instanceof List<?> words && !words.contains(value)) {
            problems.add(path + " is " + value + ", none of " + words);
        }
        if (value instanceof List<?> list) {
            for (int i = 0; i < list.size(); i++) {
                check(
                        path + "/" + i,
                        (Map<?, ?>) Objects.requireNonNull(schema.get("items")),
                        Objects.requireNonNull(list.get(i)));
            }
        } else if (value instanceof Map<?, ?> object) {
            Map<?, ?> properties = (Map<?, ?>) Objects.requireNonNull(schema.get("properties"));
            Set<Object> missing = new TreeSet<>((List<?>) Objects.requireNonNull(schema.get("required")));
            object.forEach((name, member) -> {
                missing.remove(name);
                if (properties.get(name) instanceof Map<?, ?> known) {
                    check(path + "/" + name, known, member);
                } else {
                    problems.add(path + "/" + name + " is not in the schema");
                }
            });
            missing.forEach(name -> problems.add(path + "/" + name + " is missing"));
        }
    }
}
