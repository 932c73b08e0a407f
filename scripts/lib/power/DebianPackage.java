package power;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** One package that an index has. */
record DebianPackage(String name, DebianVersion version, String depends, String description, long size) {

    /** As {@code apt-get} takes it. */
    String exactly() {
        return name + "=" + version.text();
    }

    /** The names of the packages that this one depends on, without alternatives and versions. */
    List<String> dependencies() {
        List<String> names = new ArrayList<>();
        for (String dependency : depends.split(",", -1)) {
            String name = dependency.strip().split("[ (:|]", 2)[0];
            if (!name.isEmpty()) {
                names.add(name);
            }
        }
        return names;
    }

    /** Reads a Packages file, whose paragraphs are separated by empty lines. */
    static List<DebianPackage> parse(String index) {
        List<DebianPackage> packages = new ArrayList<>();
        Map<String, String> fields = new LinkedHashMap<>();
        String last = "";
        for (String line : (index + "\n\n").split("\n", -1)) {
            int colon = line.indexOf(':');
            if (line.isEmpty()) {
                if (fields.containsKey("Package") && fields.containsKey("Version")) {
                    packages.add(of(fields));
                }
                fields.clear();
            } else if (Character.isWhitespace(line.charAt(0))) {
                fields.merge(last, line, String::concat);
            } else if (colon > 0) {
                last = line.substring(0, colon);
                fields.put(last, line.substring(colon + 1).strip());
            }
        }
        return packages;
    }

    private static DebianPackage of(Map<String, String> fields) {
        return new DebianPackage(
                fields.getOrDefault("Package", ""),
                new DebianVersion(fields.getOrDefault("Version", "")),
                fields.getOrDefault("Depends", ""),
                fields.getOrDefault("Description", ""),
                Long.parseLong(fields.getOrDefault("Size", "0")));
    }
}
