package org.jvfio.cli.lspci;

import java.util.List;

/**
 * A capability in words.
 *
 * @param id its number; those of extended capabilities are another list
 * @param extended whether it is an extended one
 * @param version of an extended one, 0 of another
 * @param lines its title, and its registers with tabs before them
 */
public record Capability(int offset, int id, boolean extended, int version, List<String> lines) {
    public Capability {
        lines = List.copyOf(lines);
    }

    /** The title up to its first detail, such as {@code MSI-X} or {@code Power Management version 3}. */
    public String name() {
        String title = lines.getFirst();
        int end = title.indexOf(':');
        return end < 0 ? title : title.substring(0, end);
    }
}
