package org.jvfio.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/**
 * What a command prints as JSON: {@link #schema} is it in the words of JSON Schema. A later version of the command may
 * add members to an object; it never takes one away or changes its type.
 */
final class JsonShape {
    private final Map<String, Object> schema;

    private JsonShape(Map<String, Object> schema) {
        this.schema = schema;
    }

    private static JsonShape of(String type, String text) {
        return new JsonShape(Json.object("type", type, "description", text));
    }

    static JsonShape string(String text) {
        return of("string", text);
    }

    /** A bus address or an offset: a string such as {@code 0x1000}. */
    static JsonShape address(String text) {
        JsonShape shape = string(text);
        shape.schema.put("pattern", "^0x[0-9a-f]+$");
        return shape;
    }

    /** One of some strings. */
    static JsonShape word(String text, List<String> words) {
        JsonShape shape = string(text);
        shape.schema.put("enum", words);
        return shape;
    }

    static JsonShape integer(String text) {
        return of("integer", text);
    }

    static JsonShape number(String text) {
        return of("number", text);
    }

    static JsonShape bool(String text) {
        return of("boolean", text);
    }

    static JsonShape list(String text, JsonShape element) {
        JsonShape shape = of("array", text);
        shape.schema.put("items", element.schema);
        return shape;
    }

    static JsonShape strings(String text) {
        return list(text, new JsonShape(Json.object("type", "string")));
    }

    /** An object without members yet. */
    static JsonShape object(String text) {
        JsonShape shape = of("object", text);
        shape.schema.put("properties", new LinkedHashMap<String, Object>());
        shape.schema.put("required", new ArrayList<String>());
        return shape;
    }

    /** Adds a member that every such object has. */
    JsonShape with(String name, JsonShape member) {
        required().add(name);
        return withOptional(name, member);
    }

    /** Adds a member that is left out where there is nothing to say. */
    JsonShape withOptional(String name, JsonShape member) {
        properties().put(name, member.schema);
        return this;
    }

    @SuppressWarnings("unchecked")
    private Map<String, Object> properties() {
        return (Map<String, Object>) Objects.requireNonNull(schema.get("properties"));
    }

    @SuppressWarnings("unchecked")
    private List<String> required() {
        return (List<String>) Objects.requireNonNull(schema.get("required"));
    }

    /**
     * The whole document.
     *
     * @param command whose output it is
     */
    Map<String, Object> schema(String command) {
        Map<String, Object> document = Json.object(
                "$schema",
                "https://json-schema.org/draft/2020-12/schema",
                "$id",
                "urn:jvfio:" + command.replace(' ', ':') + ":1",
                "title",
                "jvfio " + command + " --json");
        document.putAll(schema);
        return document;
    }
}
