package org.jvfio.emulator.nvme;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The namespaces of a controller by their identifiers, which may be sparse. */
final class NamespaceList {
    /** NN: the largest valid namespace identifier, as in QEMU. */
    static final int MAX_ID = 256;

    static final int BROADCAST = -1;

    private final @Nullable Namespace[] byId = new @Nullable Namespace[MAX_ID + 1];
    private final List<Namespace> all = new ArrayList<>();

    /** Orders namespaces by their identifiers, of which no two are equal. */
    NamespaceList(List<Namespace> namespaces) {
        for (Namespace namespace : namespaces) {
            byId[namespace.id()] = namespace;
        }
        for (Namespace namespace : byId) {
            if (namespace != null) {
                all.add(namespace);
            }
        }
    }

    /** Whether a namespace identifier is valid; it need not be allocated. */
    static boolean isValid(int id) {
        return id > 0 && id <= MAX_ID;
    }

    static void checkId(int id) {
        if (!isValid(id)) {
            throw new IllegalArgumentException(
                    "namespace identifier: %d is not in the range 1 to %d".formatted(id, MAX_ID));
        }
    }

    /** The namespace with an identifier, attached or not. */
    @Nullable
    Namespace allocated(int id) {
        return isValid(id) ? byId[id] : null;
    }

    /** The namespace with an identifier, if it is attached. */
    @Nullable
    Namespace attached(int id) {
        Namespace namespace = allocated(id);
        return namespace != null && namespace.isAttached() ? namespace : null;
    }

    /** All namespaces in the order of their identifiers, attached or not. */
    List<Namespace> all() {
        return all;
    }

    /** Flushes all namespaces; returns the first error. */
    int flush() {
        for (Namespace namespace : all) {
            int status = namespace.flush();
            if (status != Status.SUCCESS) {
                return status;
            }
        }
        return Status.SUCCESS;
    }
}
