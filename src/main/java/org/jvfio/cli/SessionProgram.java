package org.jvfio.cli;

import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import jdk.jshell.JShell;
import jdk.jshell.Snippet;
import jdk.jshell.Snippet.SubKind;
import jdk.jshell.SourceCodeAnalysis;
import jdk.jshell.SourceCodeAnalysis.Completeness;
import jdk.jshell.SourceCodeAnalysis.CompletionInfo;
import jdk.jshell.VarSnippet;
import jdk.jshell.execution.LocalExecutionControlProvider;

/**
 * Makes a Java program of a session that JShell has saved: imports first, then types and methods, variables as fields,
 * and the rest in {@code main}. A process of its own runs it, as the command itself does without the module of JShell.
 */
public final class SessionProgram {
    private static final String TEMPORARY = "\\$[0-9]+";
    private static final String INDENT = "    ";

    private final List<String> imports = new ArrayList<>();
    private final List<String> fields = new ArrayList<>();
    private final List<String> members = new ArrayList<>();
    private final List<String> statements = new ArrayList<>();

    private final JShell shell;

    private SessionProgram(JShell shell) {
        this.shell = shell;
        shell.addToClasspath(System.getProperty("java.class.path"));
    }

    /**
     * Prints the program on standard output. The exit status is 0, or 1 with the reason on standard error.
     *
     * @param arguments files of snippets, in their order
     */
    public static void main(String[] arguments) throws IOException {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        try (JShell shell = JShell.builder()
                .executionEngine(new LocalExecutionControlProvider(), Map.of())
                .build()) {
            SessionProgram program = new SessionProgram(shell);
            for (String file : arguments) {
                program.add(Files.readString(Path.of(file)));
            }
            out.print(program.text());
        } catch (IllegalArgumentException wrong) {
            System.err.println(wrong.getMessage());
            System.exit(1);
        }
    }

    private void add(String session) {
        String pending = "";
        for (String line : session.lines().toList()) {
            boolean isCommand = pending.isBlank() && line.matches("/[a-zA-Z!?-].*");
            pending = isCommand ? "" : complete(pending + line + "\n");
        }
        if (!pending.isBlank()) {
            if (shell.sourceCodeAnalysis().analyzeCompletion(pending).completeness()
                    != Completeness.CONSIDERED_INCOMPLETE) {
                throw notJava(pending);
            }
            shell.sourceCodeAnalysis().sourceToSnippets(pending).forEach(this::add);
        }
    }

    /** Adds the snippets that are complete, as JShell takes lines, and returns the rest. */
    private String complete(String lines) {
        SourceCodeAnalysis analysis = shell.sourceCodeAnalysis();
        String rest = lines;
        while (!rest.isBlank()) {
            CompletionInfo next = analysis.analyzeCompletion(rest);
            if (next.completeness() == Completeness.UNKNOWN) {
                throw notJava(rest);
            }
            String source = next.source();
            if (!next.completeness().isComplete() || source == null) {
                return rest;
            }
            analysis.sourceToSnippets(source).forEach(this::add);
            rest = next.remaining();
        }
        return "";
    }

    private static IllegalArgumentException notJava(String source) {
        return new IllegalArgumentException("not valid Java: " + firstLine(source));
    }

    private void add(Snippet snippet) {
        String source = snippet.source().strip();
        Matcher temporary = Pattern.compile(TEMPORARY).matcher(source);
        if (temporary.find()) {
            throw new IllegalArgumentException("'%s' uses %s, a variable that JShell has named: give it a name of yours"
                    .formatted(firstLine(source), temporary.group()));
        }
        switch (snippet.kind()) {
            case IMPORT -> declare(imports, ended(source));
            case TYPE_DECL, METHOD -> declare(members, source);
            case VAR -> {
                if (snippet.subKind() == SubKind.TEMP_VAR_EXPRESSION_SUBKIND) {
                    print(source);
                } else {
                    addVariable((VarSnippet) snippet, source);
                }
            }
            case EXPRESSION -> {
                if (snippet.subKind() == SubKind.VAR_VALUE_SUBKIND) {
                    print(source);
                } else {
                    statements.add(ended(source));
                }
            }
            case STATEMENT -> statements.add(ended(source));
            case ERRONEOUS ->
                throw new IllegalArgumentException(
                        "'%s' uses what no snippet before it declares, or is not valid Java; --startup adds snippets"
                                .formatted(firstLine(source)));
        }
    }

    /** An expression whose value JShell has printed. */
    private void print(String source) {
        statements.add("System.out.println(" + unended(source) + ");");
    }

    /** Declares something to JShell, which needs it to know the types of what follows; nothing of the session runs. */
    private void declare(List<String> part, String source) {
        part.add(source);
        shell.eval(source);
    }

    /** A field, which methods see, and its value in {@code main}. */
    private void addVariable(VarSnippet variable, String source) {
        Matcher declared = Pattern.compile(
                        "(?:final\\s+)?([\\w.<>\\[\\], ?]+?)\\s+" + Pattern.quote(variable.name()) + "\\s*(?:=(.*))?;?",
                        Pattern.DOTALL)
                .matcher(source);
        if (!declared.matches()) {
            statements.add(ended(source));
            return;
        }
        String type = declared.group(1).equals("var") ? variable.typeName() : declared.group(1);
        String field = type + " " + variable.name() + ";";
        if (!fields.contains(field)) {
            declare(fields, field);
        }
        String value = declared.group(2);
        if (value != null) {
            String initial = unended(value).strip();
            statements.add("%s = %s;"
                    .formatted(variable.name(), initial.startsWith("{") ? "new " + type + " " + initial : initial));
        }
    }

    private static String ended(String source) {
        return source.endsWith(";") || source.endsWith("}") ? source : source + ";";
    }

    private static String unended(String source) {
        String stripped = source.strip();
        return stripped.endsWith(";") ? stripped.substring(0, stripped.length() - 1) : stripped;
    }

    private static String firstLine(String source) {
        return source.strip().lines().findFirst().orElse("");
    }

    private String text() {
        StringBuilder text = new StringBuilder();
        imports.stream().distinct().forEach(each -> text.append(each).append('\n'));
        text.append('\n');
        fields.forEach(each -> text.append(each).append('\n'));
        members.forEach(each -> text.append('\n').append(each).append('\n'));
        text.append("\nvoid main() throws Exception {\n");
        statements.forEach(each ->
                each.lines().forEach(line -> text.append(INDENT).append(line).append('\n')));
        return text.append("}\n").toString();
    }
}
