package org.jvfio.emulator;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonLocation;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadFeature;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.jvfio.emulator.device.MachineOptions;

/**
 * A file with one JSON object, such as a machine or a plan of faults, and the lines in which its objects and lists and
 * their members begin.
 */
final class JsonFile {
    private static final long MAX_BYTES = 16L << 20;

    private final Path path;
    private final String example;
    private final IdentityHashMap<Object, Integer> objects = new IdentityHashMap<>();
    private final IdentityHashMap<Object, Map<String, Integer>> members = new IdentityHashMap<>();

    private JsonFile(Path path, String example) {
        this.path = path;
        this.example = example;
    }

    /**
     * The options of a file.
     *
     * @param example the shortest valid object, for the message about an empty file
     * @throws IOException if it cannot be read
     * @throws IllegalArgumentException if it is not one JSON object in UTF-8, in a regular file of at most 16 MiB; the
     *     message has the file, the line and the reason
     */
    static MachineOptions read(Path path, String example) throws IOException {
        JsonFile json = new JsonFile(path, example);
        Object root = json.parse(text(path));
        return MachineOptions.ofFile(path, Objects.requireNonNullElse(root, "null"), json::line);
    }

    private static String text(Path path) throws IOException {
        BasicFileAttributes attributes = Files.readAttributes(path, BasicFileAttributes.class);
        if (attributes.isOther()) {
            // Reading a pipe or a device may never end.
            throw new IllegalArgumentException(path + " is not a regular file");
        }
        if (attributes.size() > MAX_BYTES) {
            throw new IllegalArgumentException(
                    "%s has %d bytes; the maximum is %d MiB".formatted(path, attributes.size(), MAX_BYTES >> 20));
        }
        try {
            return Files.readString(path);
        } catch (CharacterCodingException notText) {
            throw new IllegalArgumentException(path + " is not a text file in UTF-8, and so not JSON", notText);
        }
    }

    /**
     * The line of a member, or of the object if it has no such member; 0 if neither is known. The members of a list
     * have its indexes as names.
     */
    private int line(Object object, String name) {
        Integer line = members.getOrDefault(object, Map.of()).get(name);
        return line != null ? line : objects.getOrDefault(object, 0);
    }

    private @Nullable Object parse(String text) throws IOException {
        try (JsonParser parser = JsonFactory.builder()
                .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                .build()
                .createParser(text)) {
            if (parser.nextToken() == null) {
                throw new IllegalArgumentException(path + " is empty; write a JSON object, such as " + example);
            }
            Object root = value(parser);
            if (parser.nextToken() != null) {
                throw new IllegalArgumentException(
                        "%s, line %d is not JSON: there is more text after the end of the object"
                                .formatted(path, parser.currentTokenLocation().getLineNr()));
            }
            return root;
        } catch (JsonProcessingException notJson) {
            // Where the parser explains a place, it names its source, which is not the file.
            String reason = notJson.getOriginalMessage().replaceAll(" \\(start marker at \\[Source: .*?\\]\\)", "");
            // What exceeds a limit of the parser has no place.
            JsonLocation location = notJson.getLocation();
            throw new IllegalArgumentException(
                    location == null
                            ? "%s is not JSON that can be read: %s".formatted(path, reason)
                            : "%s, line %d is not JSON: %s".formatted(path, location.getLineNr(), reason),
                    notJson);
        }
    }

    private @Nullable Object value(JsonParser parser) throws IOException {
        return switch (parser.currentToken()) {
            case START_OBJECT -> object(parser);
            case START_ARRAY -> list(parser);
            case VALUE_STRING -> parser.getText();
            case VALUE_NUMBER_INT, VALUE_NUMBER_FLOAT -> parser.getNumberValue();
            case VALUE_TRUE -> true;
            case VALUE_FALSE -> false;
            default -> null;
        };
    }

    private Map<String, @Nullable Object> object(JsonParser parser) throws IOException {
        Map<String, @Nullable Object> object = new LinkedHashMap<>();
        Map<String, Integer> lines = new HashMap<>();
        objects.put(object, parser.currentTokenLocation().getLineNr());
        members.put(object, lines);
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String name = parser.currentName();
            lines.put(name, parser.currentTokenLocation().getLineNr());
            parser.nextToken();
            object.put(name, value(parser));
        }
        return object;
    }

    private List<@Nullable Object> list(JsonParser parser) throws IOException {
        List<@Nullable Object> list = new ArrayList<>();
        Map<String, Integer> lines = new HashMap<>();
        objects.put(list, parser.currentTokenLocation().getLineNr());
        members.put(list, lines);
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            lines.put(
                    Integer.toString(list.size()), parser.currentTokenLocation().getLineNr());
            list.add(value(parser));
        }
        return list;
    }
}
