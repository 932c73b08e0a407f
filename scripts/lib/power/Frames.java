package power;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Base64;
import java.util.HexFormat;
import java.util.OptionalInt;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What the guest sends through its console. Firmware and kernel write there whenever they like, so all that is meant
 * for the host is a line of
 *
 * <pre>    NONCE CHECKSUM TYPE NUMBER BASE64</pre>
 *
 * with a space before TYPE, NUMBER and BASE64 only. They can cut into a frame at any place: one that its checksum does
 * not fit is not replied to, and comes again. All other lines are the log.
 */
final class Frames {
    /** Where frames and all else go. */
    interface Receiver {
        void out(byte[] data) throws IOException;

        void err(byte[] data) throws IOException;

        void kernelLog(byte[] data) throws IOException;

        void log(String line) throws IOException;

        /** Tells the guest that it can go on. */
        void reply(int number) throws IOException;
    }

    private final Pattern pattern;
    private final Receiver receiver;
    private int taken;
    private OptionalInt status = OptionalInt.empty();

    Frames(String nonce, Receiver receiver) {
        pattern = Pattern.compile(
                "(.*)" + Pattern.quote(nonce) + "([0-9a-f]{32}) (([oekx]) ([1-9][0-9]{0,8}) ([0-9A-Za-z+/=]+))");
        this.receiver = receiver;
    }

    /** The exit status of the guest's command, once it has come. */
    OptionalInt status() {
        return status;
    }

    void line(String text) throws IOException {
        String line = text.endsWith("\r") ? text.substring(0, text.length() - 1) : text;
        Matcher matcher = pattern.matcher(line);
        if (!matcher.matches() || !md5(matcher.group(3) + "\n").equals(matcher.group(2))) {
            receiver.log(line);
            return;
        }
        if (!matcher.group(1).isEmpty()) {
            receiver.log(matcher.group(1));
        }
        int number = Integer.parseInt(matcher.group(5));
        if (number != taken) {
            take(matcher.group(4).charAt(0), Base64.getDecoder().decode(matcher.group(6)));
            taken = number;
        }
        receiver.reply(number);
    }

    private void take(char type, byte[] data) throws IOException {
        switch (type) {
            case 'o' -> receiver.out(data);
            case 'e' -> receiver.err(data);
            case 'k' -> receiver.kernelLog(data);
            default -> status = OptionalInt.of(Integer.parseInt(new String(data, StandardCharsets.US_ASCII).strip()));
        }
    }

    static String md5(String text) {
        try {
            byte[] hash = MessageDigest.getInstance("MD5").digest(text.getBytes(StandardCharsets.ISO_8859_1));
            return HexFormat.of().formatHex(hash);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException(e);
        }
    }
}
