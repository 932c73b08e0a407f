package org.jvfio.cli;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SequencedMap;
import java.util.TreeMap;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.OptionGroup;
import org.apache.commons.cli.Options;
import org.jspecify.annotations.Nullable;

/**
 * What a command takes and prints. The parser, the help, the man page, the completions and the JSON schema are made of
 * it.
 */
final class CommandSyntax {

    /**
     * A positional argument.
     *
     * @param name as the usage line has it, such as {@code DEVICE}
     */
    record Argument(String name, String text, boolean required, boolean repeated) {
        /** As the usage line has it. */
        String usage() {
            String many = repeated ? name + "..." : name;
            return required ? many : "[" + many + "]";
        }
    }

    /** A command line and what it does. */
    record Example(String line, String text) {}

    private final Command command;
    private final Options options = new Options();
    private final SequencedMap<String, Option> ordered = new LinkedHashMap<>();
    private final Map<String, List<String>> choices = new LinkedHashMap<>();
    private final List<Argument> arguments = new ArrayList<>();
    private final List<Example> examples = new ArrayList<>();
    private final List<String> paragraphs = new ArrayList<>();
    private final TreeMap<Integer, String> statuses = new TreeMap<>();
    private @Nullable JsonShape json;
    private boolean takesCommand;

    CommandSyntax(Command command) {
        this.command = command;
        statuses.put(0, "done");
        statuses.put(Failure.FAILED, "not done; the reason is on standard error");
        statuses.put(Failure.USAGE, "invalid command line");
    }

    /** Adds a paragraph to the description. */
    CommandSyntax about(String paragraph) {
        paragraphs.add(paragraph);
        return this;
    }

    CommandSyntax argument(String name, String text) {
        arguments.add(new Argument(name, text, true, false));
        return this;
    }

    CommandSyntax optionalArgument(String name, String text) {
        arguments.add(new Argument(name, text, false, false));
        return this;
    }

    /** Adds an argument that may be given any number of times. */
    CommandSyntax arguments(String name, String text) {
        arguments.add(new Argument(name, text, false, true));
        return this;
    }

    /** Adds an argument that is given once or more. */
    CommandSyntax repeatedArgument(String name, String text) {
        arguments.add(new Argument(name, text, true, true));
        return this;
    }

    /**
     * Adds a command of {@code jvfio} with its own options, which everything from the first word on belongs to that is
     * no option.
     */
    CommandSyntax command(String text, boolean required) {
        takesCommand = true;
        arguments.add(new Argument("COMMAND", text, required, true));
        return this;
    }

    /** Whether what follows the first word is left to another command. */
    boolean takesCommand() {
        return takesCommand;
    }

    /** Adds an option without a value. */
    CommandSyntax flag(String name, String text) {
        return add(option(name, text).get());
    }

    /** Adds an option with a value, which the usage calls {@code value}. */
    CommandSyntax option(String name, String value, String text) {
        return add(option(name, text).hasArg().argName(value).get());
    }

    /** Adds an option whose value is one of some words. */
    CommandSyntax choice(String name, String value, List<String> words, String text) {
        choices.put(name, words);
        return option(name, value, text);
    }

    /** Adds two options with a value of which one is given at most. */
    CommandSyntax either(String name, String value, String text, String other, String otherValue, String otherText) {
        Option first = option(name, text).hasArg().argName(value).get();
        Option second = option(other, otherText).hasArg().argName(otherValue).get();
        options.addOptionGroup(new OptionGroup().addOption(first).addOption(second));
        ordered.put(name, first);
        ordered.put(other, second);
        return this;
    }

    private CommandSyntax add(Option option) {
        options.addOption(option);
        ordered.put(option.getLongOpt(), option);
        return this;
    }

    private static Option.Builder option(String name, String text) {
        return (name.equals("help") ? Option.builder("h") : Option.builder())
                .longOpt(name)
                .desc(text);
    }

    CommandSyntax example(String line, String text) {
        examples.add(new Example(line, text));
        return this;
    }

    /** Says what an exit status means for this command. */
    CommandSyntax status(int status, String meaning) {
        statuses.put(status, meaning);
        return this;
    }

    /** Adds {@code --json}, and says what it prints. */
    CommandSyntax json(JsonShape shape) {
        json = shape;
        return flag("json", "print the result as JSON: sizes in bytes, addresses as hexadecimal strings");
    }

    Command command() {
        return command;
    }

    Options options() {
        return options;
    }

    /** The options in the order in which they were added. */
    List<Option> list() {
        return List.copyOf(ordered.values());
    }

    List<String> choices(String option) {
        return choices.getOrDefault(option, List.of());
    }

    List<Argument> arguments() {
        return arguments;
    }

    List<Example> examples() {
        return examples;
    }

    List<String> paragraphs() {
        return paragraphs;
    }

    Map<Integer, String> statuses() {
        return statuses;
    }

    Optional<JsonShape> json() {
        return Optional.ofNullable(json);
    }

    /** The usage, in one line. */
    String usage() {
        StringBuilder usage = new StringBuilder("jvfio ").append(command.name()).append(" [OPTION]...");
        arguments.forEach(argument -> usage.append(' ').append(argument.usage()));
        return usage.toString();
    }

    /** An option as the help has it, such as {@code --size BYTES}. */
    static String usage(Option option) {
        String names = option.getOpt() == null ? "" : "-" + option.getOpt() + ", ";
        return names + "--" + option.getLongOpt() + (option.hasArg() ? " " + option.getArgName() : "");
    }
}
