package org.jvfio.cli;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.commons.cli.Option;

/** Scripts that complete command lines, made of the syntax of the commands. */
final class Completion {
    private static final String DEVICES = "/sys/bus/pci/devices";
    private static final String GROUPS = "/sys/kernel/iommu_groups";

    private Completion() {}

    /** For bash. Only functions of bash itself are used, so bash-completion need not be there. */
    static String bash(List<Command> commands) {
        StringBuilder script = new StringBuilder("""
                # bash completion of jvfio
                _jvfio() {
                    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words='' command
                    # Colons are word breaks to bash and part of PCI addresses: completion begins behind the last one.
                    local line=${COMP_LINE:0:COMP_POINT}
                    current=${line##*[[:space:]]}
                    line=${line%"$current"}
                    read -ra before <<<"$line"
                    previous=${before[${#before[@]} - 1]}
                    command="${before[1]:-} ${before[2]:-}"
                """);
        script.append("    if ((${#before[@]} < 2)); then\n        words='")
                .append(Stream.concat(Commands.firstWords().stream(), Stream.of("--help", "--version"))
                        .collect(Collectors.joining(" ")))
                .append("'\n    else\n        case $command in\n");
        for (Command command : commands) {
            script.append("            '").append(pattern(command)).append(") ");
            bashCommand(script, command.syntax());
        }
        for (String word : Commands.firstWords()) {
            List<Command> family = Commands.family(word);
            if (!family.isEmpty()) {
                script.append("            '%s '*) words='%s' ;;\n"
                        .formatted(
                                word,
                                family.stream()
                                        .map(command -> Commands.words(command).getLast())
                                        .collect(Collectors.joining(" "))));
            }
        }
        return script.append("""
                        esac
                    fi
                    case $words in
                        @devices) words=$(ls %s 2>/dev/null) ;;
                        @groups) words=$(ls %s 2>/dev/null) ;;
                        @files) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
                        @directories) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
                        @*) mapfile -t COMPREPLY < <(compgen -W "${words#@}" -f -- "$current"); return ;;
                    esac
                    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
                    if [[ $current == *:* && $COMP_WORDBREAKS == *:* ]]; then
                        COMPREPLY=("${COMPREPLY[@]#"${current%%"${current##*:}"}"}")
                    fi
                }
                complete -F _jvfio jvfio
                """.formatted(DEVICES, GROUPS)).toString();
    }

    private static String pattern(Command command) {
        List<String> words = Commands.words(command);
        return words.size() == 2 ? String.join(" ", words) + "'" : words.getFirst() + " '*";
    }

    private static void bashCommand(StringBuilder script, CommandSyntax syntax) {
        script.append("case $previous in\n");
        List<String> names = new ArrayList<>();
        for (Option option : syntax.list()) {
            names.add("--" + option.getLongOpt());
            if (option.hasArg()) {
                script.append("                --%s) words='%s' ;;\n"
                        .formatted(
                                option.getLongOpt(), words(option.getArgName(), syntax.choices(option.getLongOpt()))));
            }
        }
        String arguments = syntax.arguments().stream()
                .map(argument -> words(argument.name(), argumentWords(syntax, argument.name())))
                .findFirst()
                .orElse("");
        script.append("                *) if [[ $current == -* ]]; then words='")
                .append(String.join(" ", names))
                .append("'; else words='")
                .append(arguments)
                .append("'; fi ;;\n            esac ;;\n");
    }

    private static List<String> argumentWords(CommandSyntax syntax, String name) {
        if (syntax.command() instanceof HelpCommand) {
            return Commands.firstWords();
        }
        return syntax.choices(name);
    }

    /** What completes a value: words, or a word that begins with @ for what the script finds itself. */
    private static String words(String value, List<String> choices) {
        return switch (value) {
            case "DEVICE", "ADDRESS" -> "@devices";
            case "GROUP" -> "@groups";
            case "FILE", "PATH" -> "@files";
            case "DIRECTORY" -> "@directories";
            case "MACHINE" -> "@" + String.join(" ", choices);
            default -> String.join(" ", choices);
        };
    }

    /** For zsh. */
    static String zsh(List<Command> commands) {
        StringBuilder script = new StringBuilder("""
                #compdef jvfio
                _jvfio() {
                    local -a commands
                    local line state
                    _arguments -C '(- *)--help[print the help]' '(- *)--version[print the version]' \\
                        '1: :->command' '*:: :->arguments' && return
                    if [[ $state == command ]]; then
                        commands=(
                """);
        for (String word : Commands.firstWords()) {
            String text = commands.stream()
                    .filter(command -> command.name().equals(word))
                    .map(Command::summary)
                    .findFirst()
                    .orElseGet(() -> Commands.family(word).stream()
                            .map(command -> Commands.words(command).getLast())
                            .collect(Collectors.joining(", ")));
            script.append("            ").append(quoted(word + ":" + text)).append('\n');
        }
        script.append("""
                        )
                        _describe command commands
                        return
                    fi
                    case $words[1] in
                """);
        for (String word : Commands.firstWords()) {
            script.append("        ").append(word).append(")\n");
            List<Command> family = Commands.family(word);
            if (family.isEmpty()) {
                Command command = Commands.find(List.of(word)).orElseThrow();
                zshCommand(script, command.syntax());
            } else {
                script.append("            if ((CURRENT == 2)); then\n                commands=(\n");
                family.forEach(command -> script.append("                    ")
                        .append(quoted(Commands.words(command).getLast() + ":" + command.summary()))
                        .append('\n'));
                script.append("""
                                        )
                                        _describe command commands
                                        return
                                    fi
                                    shift words; ((CURRENT--))
                                    case $words[1] in
                        """);
                family.forEach(command -> {
                    script.append("            ")
                            .append(Commands.words(command).getLast())
                            .append(")\n");
                    zshCommand(script, command.syntax());
                    script.append("                ;;\n");
                });
                script.append("            esac\n");
            }
            script.append("            ;;\n");
        }
        return script.append("    esac\n}\n_jvfio \"$@\"\n").toString();
    }

    private static void zshCommand(StringBuilder script, CommandSyntax syntax) {
        script.append("            _arguments");
        for (Option option : syntax.list()) {
            String text = "--" + option.getLongOpt() + "["
                    + option.getDescription().replace("[", "(").replace("]", ")") + "]";
            if (option.hasArg()) {
                text += ":" + option.getArgName() + ":"
                        + zshAction(option.getArgName(), syntax.choices(option.getLongOpt()));
            }
            script.append(" \\\n                ").append(quoted(text));
        }
        for (CommandSyntax.Argument argument : syntax.arguments()) {
            String action = zshAction(argument.name(), argumentWords(syntax, argument.name()));
            script.append(" \\\n                ")
                    .append(quoted((argument.repeated() ? "*:" : argument.required() ? ":" : "::") + argument.name()
                            + ":" + action));
        }
        script.append('\n');
    }

    private static String zshAction(String value, List<String> choices) {
        String words = words(value, choices);
        return switch (words) {
            case "" -> " ";
            case "@devices" -> "_path_files -W " + DEVICES;
            case "@groups" -> "_path_files -W " + GROUPS;
            case "@files" -> "_files";
            case "@directories" -> "_files -/";
            default -> words.startsWith("@") ? "_files" : "(" + words + ")";
        };
    }

    private static String quoted(String text) {
        return "'" + text.replace("'", "'\\''") + "'";
    }
}
