package org.jvfio.cli;

import java.util.Comparator;
import java.util.function.ToLongFunction;
import org.jvfio.Container;
import org.jvfio.DmaWindow;
import org.jvfio.PageSize;

/** The window that a demonstration creates beside the default one. */
final class HighWindow {
    private HighWindow() {}

    /**
     * Creates it, with the largest pages that memory of system pages can be mapped with.
     *
     * @param operation what it is for, as it follows "cannot"
     * @param memory the bytes that are going to be allocated too, by the size of these pages: the process may lock all
     *     of it, or nothing is created
     */
    static DmaWindow create(Container container, String operation, long bytes, ToLongFunction<PageSize> memory) {
        PageSize page = container.iommuInfo().pageSizes().stream()
                .filter(size -> size.compareTo(container.systemPage()) <= 0)
                .max(Comparator.naturalOrder())
                .orElseThrow();
        container.requireLockable(operation, container.systemPage().roundUp(memory.applyAsLong(page)), page, bytes, 1);
        return container.createWindow(page, bytes, 1);
    }
}
