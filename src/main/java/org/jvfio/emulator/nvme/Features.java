package org.jvfio.emulator.nvme;

import java.util.Arrays;

/** The features of a controller, which the host gets and sets (NVM Express 1.4, 5.21). */
final class Features {
    private static final int ARBITRATION = 0x01;
    private static final int POWER_STATE = 0x02;
    private static final int TEMPERATURE_THRESHOLD = 0x04;
    private static final int ERROR_RECOVERY = 0x05;
    private static final int WRITE_CACHE = 0x06;
    private static final int NUMBER_OF_QUEUES = 0x07;
    private static final int INTERRUPT_COALESCING = 0x08;
    private static final int INTERRUPT_VECTOR = 0x09;
    private static final int WRITE_ATOMICITY = 0x0a;
    private static final int ASYNC_EVENTS = 0x0b;
    private static final int COMMAND_SET_PROFILE = 0x19;
    private static final int PLACEMENT_MODE = 0x1d;
    private static final int PLACEMENT_EVENTS = 0x1e;

    private static final int SELECT_CURRENT = 0;
    private static final int SELECT_DEFAULT = 1;
    private static final int SELECT_SAVED = 2;
    private static final int SELECT_CAPABILITIES = 3;
    private static final int CAPABILITY_BY_NAMESPACE = 1 << 1;
    private static final int CAPABILITY_CHANGEABLE = 1 << 2;

    private static final int SAVE = 1 << 31;
    private static final int NO_BURST_LIMIT = 0x07;
    private static final int NOT_COALESCED = 1 << 16;
    private static final int DEALLOCATED_ERROR = 1 << 16;
    private static final int EVENTS_OF_HEALTH = 0xff;
    private static final int EVENT_NAMESPACE_CHANGED = 1 << 8;
    private static final int WORD = 0xffff;
    private static final int THRESHOLD_OVER = 0;
    private static final int THRESHOLD_UNDER = 1;

    private final NamespaceList namespaces;
    private final Queues queues;
    private final DataFeatures dataFeatures;
    private final int vectors;
    private final boolean keepsValues;
    private final boolean isFixed;
    private final boolean plainDefaults;
    private final boolean alwaysTellsOfNamespaces;
    private final boolean hasMore;
    private final boolean hasHostBehavior;
    private final boolean refusesQueues;
    private final int[] vectorSettings;
    private final int[] errorRecovery;
    private int arbitration;
    private int powerState;
    private int overTemperature;
    private int underTemperature;
    private boolean writeCache;
    private int coalescing;
    private int atomicity;
    private int asyncEvents;

    Features(Configuration configuration, NamespaceList namespaces, Queues queues, DataFeatures dataFeatures) {
        this.namespaces = namespaces;
        this.queues = queues;
        this.dataFeatures = dataFeatures;
        vectors = configuration.interruptVectors();
        keepsValues = configuration.has(Deviation.KEEPS_FEATURES);
        isFixed = configuration.has(Deviation.FIXED_FEATURES);
        plainDefaults = configuration.has(Deviation.PLAIN_DEFAULTS);
        alwaysTellsOfNamespaces = configuration.has(Deviation.ALWAYS_TELLS_OF_NAMESPACES);
        hasMore = configuration.has(Deviation.MORE_COMMANDS);
        hasHostBehavior = hasMore || configuration.oddities().has(DriveOddity.NOT_READY_AT_FIRST);
        refusesQueues = configuration.oddities().has(DriveOddity.REFUSES_QUEUES);
        vectorSettings = new int[vectors];
        errorRecovery = new int[NamespaceList.MAX_ID + 1];
        setDefaults();
    }

    /** A controller reset, which sets all features to their defaults: none is saveable. */
    void reset() {
        dataFeatures.reset();
        if (keepsValues) {
            atomicity = 0;
        } else {
            setDefaults();
        }
    }

    private void setDefaults() {
        arbitration = NO_BURST_LIMIT;
        powerState = 0;
        overTemperature = IdentifyController.WARNING_TEMPERATURE;
        underTemperature = 0;
        writeCache = true;
        coalescing = 0;
        atomicity = 0;
        asyncEvents = 0;
        for (int vector = 0; vector < vectors; vector++) {
            vectorSettings[vector] = defaultOfVector(vector);
        }
        Arrays.fill(errorRecovery, 0);
    }

    private static int defaultOfVector(int vector) {
        return vector == 0 ? NOT_COALESCED : vector;
    }

    /** Whether the host has enabled Command Retry Delays. */
    boolean delaysRetries() {
        return dataFeatures.delaysRetries();
    }

    /** Whether the volatile write cache is enabled. */
    boolean writeCache() {
        return writeCache;
    }

    /** Whether changed namespaces are reported. */
    boolean tellsOfNamespaces() {
        return alwaysTellsOfNamespaces || (asyncEvents & EVENT_NAMESPACE_CHANGED) != 0;
    }

    /** Whether the host enabled events for a critical warning of the SMART log. */
    boolean tellsOfHealth(int warning) {
        return (asyncEvents & EVENTS_OF_HEALTH & warning) != 0;
    }

    /** Whether a temperature in kelvin is beyond a threshold. */
    boolean isBeyondThresholds(int temperature) {
        return temperature >= overTemperature || temperature <= underTemperature;
    }

    private boolean isKnown(int feature) {
        return switch (feature) {
            case ARBITRATION,
                    POWER_STATE,
                    TEMPERATURE_THRESHOLD,
                    ERROR_RECOVERY,
                    WRITE_CACHE,
                    NUMBER_OF_QUEUES,
                    INTERRUPT_COALESCING,
                    INTERRUPT_VECTOR,
                    WRITE_ATOMICITY,
                    ASYNC_EVENTS,
                    COMMAND_SET_PROFILE -> true;
            case DataFeatures.HOST_BEHAVIOR -> hasHostBehavior;
            case DataFeatures.TIMESTAMP, PLACEMENT_MODE, PLACEMENT_EVENTS -> hasMore;
            default -> false;
        };
    }

    /** Whether the host can change a feature. */
    private boolean isChangeable(int feature) {
        return switch (feature) {
            case ARBITRATION, POWER_STATE, INTERRUPT_COALESCING, INTERRUPT_VECTOR -> !isFixed;
            default -> true;
        };
    }

    private static boolean isOfNamespace(int feature) {
        return feature == ERROR_RECOVERY || feature == PLACEMENT_EVENTS;
    }

    /** Executes Get Features; returns the status. */
    int get(Command command) {
        int feature = command.dword(10) & 0xff;
        if (!isKnown(feature)) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        if (isOfNamespace(feature)) {
            int status = namespaceStatus(command.namespace());
            if (status != Status.SUCCESS) {
                return status;
            }
        }
        return switch (command.dword(10) >>> 8 & 0x7) {
            case SELECT_CURRENT -> getCurrent(feature, command);
            case SELECT_DEFAULT, SELECT_SAVED -> getDefault(feature, command);
            case SELECT_CAPABILITIES ->
                answer(
                        command,
                        (isChangeable(feature) ? CAPABILITY_CHANGEABLE : 0)
                                | (isOfNamespace(feature) ? CAPABILITY_BY_NAMESPACE : 0));
            default -> plainDefaults ? getCurrent(feature, command) : Status.INVALID_FIELD_IN_COMMAND;
        };
    }

    private int namespaceStatus(int namespace) {
        if (!NamespaceList.isValid(namespace)) {
            return Status.INVALID_NAMESPACE_OR_FORMAT;
        }
        return namespaces.attached(namespace) == null ? Status.INVALID_FIELD_IN_COMMAND : Status.SUCCESS;
    }

    private int getCurrent(int feature, Command command) {
        int selector = command.dword(11);
        return switch (feature) {
            case ARBITRATION -> answer(command, arbitration);
            case POWER_STATE -> answer(command, powerState);
            case TEMPERATURE_THRESHOLD -> getThreshold(command, overTemperature, underTemperature);
            case ERROR_RECOVERY -> answer(command, errorRecovery[command.namespace()]);
            case WRITE_CACHE -> answer(command, writeCache ? 1 : 0);
            case NUMBER_OF_QUEUES -> answer(command, numberOfQueues());
            case INTERRUPT_COALESCING -> answer(command, coalescing);
            case INTERRUPT_VECTOR ->
                (selector & WORD) < vectors
                        ? answer(command, vectorSettings[selector & WORD])
                        : Status.INVALID_FIELD_IN_COMMAND;
            case WRITE_ATOMICITY -> answer(command, atomicity);
            case ASYNC_EVENTS -> answer(command, asyncEvents);
            case DataFeatures.TIMESTAMP, DataFeatures.HOST_BEHAVIOR -> dataFeatures.get(feature, command);
            case PLACEMENT_MODE -> Status.INVALID_FIELD_IN_COMMAND;
            case PLACEMENT_EVENTS -> Status.FLEXIBLE_DATA_PLACEMENT_DISABLED;
            default -> answer(command, 0);
        };
    }

    private int getDefault(int feature, Command command) {
        int selector = command.dword(11);
        return switch (feature) {
            case ARBITRATION -> answer(command, NO_BURST_LIMIT);
            case TEMPERATURE_THRESHOLD -> {
                int status = getThreshold(command, IdentifyController.WARNING_TEMPERATURE, 0);
                yield plainDefaults ? Status.SUCCESS : status;
            }
            case WRITE_CACHE -> answer(command, plainDefaults ? 0 : 1);
            case WRITE_ATOMICITY -> answer(command, plainDefaults ? atomicity : 0);
            case PLACEMENT_MODE -> Status.INVALID_FIELD_IN_COMMAND;
            case NUMBER_OF_QUEUES -> answer(command, numberOfQueues());
            case INTERRUPT_VECTOR ->
                (selector & WORD) < vectors
                        ? answer(command, defaultOfVector(selector & WORD))
                        : Status.INVALID_FIELD_IN_COMMAND;
            default -> answer(command, 0);
        };
    }

    private static int answer(Command command, int value) {
        command.result(value);
        return Status.SUCCESS;
    }

    private int numberOfQueues() {
        return (queues.pairs() - 1) << 16 | (queues.pairs() - 1);
    }

    /** Only the composite temperature has thresholds. */
    private static int getThreshold(Command command, int over, int under) {
        int selector = command.dword(11);
        if ((selector >>> 16 & 0xf) != 0) {
            return answer(command, 0);
        }
        return switch (selector >>> 20 & 0x3) {
            case THRESHOLD_OVER -> answer(command, over);
            case THRESHOLD_UNDER -> answer(command, under);
            default -> Status.INVALID_FIELD_IN_COMMAND;
        };
    }

    /** Executes Set Features; returns the status. */
    int set(Command command) {
        int feature = command.dword(10) & 0xff;
        int value = command.dword(11);
        int namespace = command.namespace();
        boolean saves = (command.dword(10) & SAVE) != 0;
        if (!isKnown(feature) && !(saves && isFixed)) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        if (saves) {
            return Status.FEATURE_IDENTIFIER_NOT_SAVEABLE;
        }
        if (feature == ERROR_RECOVERY) {
            return setErrorRecovery(namespace, value);
        }
        if (feature == PLACEMENT_EVENTS) {
            int status = namespaceStatus(namespace);
            return status == Status.SUCCESS ? Status.FLEXIBLE_DATA_PLACEMENT_DISABLED : status;
        }
        if (namespace != 0 && namespace != NamespaceList.BROADCAST) {
            return NamespaceList.isValid(namespace)
                    ? Status.FEATURE_NOT_NAMESPACE_SPECIFIC
                    : Status.INVALID_NAMESPACE_OR_FORMAT;
        }
        if (!isChangeable(feature)) {
            return Status.FEATURE_NOT_CHANGEABLE;
        }
        return switch (feature) {
            case ARBITRATION -> {
                arbitration = value;
                yield Status.SUCCESS;
            }
            case POWER_STATE -> setPowerState(value);
            case TEMPERATURE_THRESHOLD -> setThreshold(value);
            case WRITE_CACHE -> setWriteCache(value);
            case NUMBER_OF_QUEUES ->
                refusesQueues ? Status.INTERNAL_ERROR | Status.DO_NOT_RETRY : setNumberOfQueues(command, value);
            case INTERRUPT_COALESCING -> {
                coalescing = value & WORD;
                yield Status.SUCCESS;
            }
            case INTERRUPT_VECTOR -> setVector(value);
            case WRITE_ATOMICITY -> {
                atomicity = value & 1;
                yield Status.SUCCESS;
            }
            case ASYNC_EVENTS -> setAsyncEvents(value);
            case DataFeatures.TIMESTAMP, DataFeatures.HOST_BEHAVIOR -> dataFeatures.set(feature, command);
            case PLACEMENT_MODE -> Status.COMMAND_SEQUENCE_ERROR;
            default -> (value & 0x1ff) == 0 ? Status.SUCCESS : Status.IO_COMMAND_SET_COMBINATION_REJECTED;
        };
    }

    private int setErrorRecovery(int namespace, int value) {
        if ((value & DEALLOCATED_ERROR) != 0 && !hasMore) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        int kept = hasMore ? value : value & WORD;
        if (namespace == NamespaceList.BROADCAST) {
            Arrays.fill(errorRecovery, kept);
            return Status.SUCCESS;
        }
        int status = namespaceStatus(namespace);
        if (status == Status.SUCCESS) {
            errorRecovery[namespace] = kept;
        }
        return status;
    }

    private int setPowerState(int value) {
        if ((value & 0x1f) != 0) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        powerState = value & 0xff;
        return Status.SUCCESS;
    }

    private int setThreshold(int value) {
        int sensor = value >>> 16 & 0xf;
        int which = value >>> 20 & 0x3;
        if (isFixed && sensor != 0) {
            return Status.SUCCESS;
        }
        if (which > THRESHOLD_UNDER) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        if (sensor == 0 || sensor == 0xf) {
            if (which == THRESHOLD_OVER) {
                overTemperature = value & WORD;
            } else {
                underTemperature = value & WORD;
            }
        }
        return Status.SUCCESS;
    }

    /** Disabling the cache flushes it. */
    private int setWriteCache(int value) {
        if ((value & 1) == 0) {
            int status = namespaces.flush();
            if (status != Status.SUCCESS) {
                return status;
            }
        }
        writeCache = (value & 1) != 0;
        return Status.SUCCESS;
    }

    private int setNumberOfQueues(Command command, int value) {
        if (queues.everCreated()) {
            return Status.COMMAND_SEQUENCE_ERROR;
        }
        if ((value & WORD) == WORD || value >>> 16 == WORD) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        return answer(command, numberOfQueues());
    }

    private int setVector(int value) {
        int vector = value & WORD;
        if (vector >= vectors) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        vectorSettings[vector] = value & (NOT_COALESCED | WORD);
        return Status.SUCCESS;
    }

    private int setAsyncEvents(int value) {
        if ((value & ~(EVENTS_OF_HEALTH | EVENT_NAMESPACE_CHANGED)) != 0 && !hasMore) {
            return Status.INVALID_FIELD_IN_COMMAND;
        }
        asyncEvents = value;
        return Status.SUCCESS;
    }
}
