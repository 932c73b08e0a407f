package power;

/** The machine cannot be started: one line for standard error, and the exit status. */
final class Failure extends Exception {
    private static final long serialVersionUID = 1;

    static final int FAILED = 1;
    static final int MISUSE = 2;

    private final String text;
    private final int status;

    Failure(String message) {
        this(message, FAILED);
    }

    private Failure(String message, int status) {
        super(message);
        this.text = message;
        this.status = status;
    }

    static Failure misuse(String message) {
        return new Failure(message + "; see scripts/power --help", MISUSE);
    }

    String text() {
        return text;
    }

    int status() {
        return status;
    }
}
