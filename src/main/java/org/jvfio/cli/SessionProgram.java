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
import jdk.jshell.SourceCodeAnalysis;
import jdk.jshell.SourceCodeAnalysis.CompletionInfo;
import jdk.jshell.VarSnippet;
import jdk.jshell.execution.LocalExecutionControlProvider;

/**
 * Makes a Java program of a session that JShell has saved: imports first, then types and methods, variables as fields, and
 * the rest in {@code main}. A process of its own runs it, as the command itself does without the module of JShell.
 */
public final class SessionProgram {
    private static final String TEMPORARY = "\\$[0-9]+";
    private static final String BINARY = "+-*/%&|^<>?";
    private static final String INDENT = "    ";

    private final List<String> imports = new ArrayList<>();
    private final List<String> fields = new ArrayList<>();
    private final List<String> members = new ArrayList<>();
    private final List<String> statements = new ArrayList<>();

    private SessionProgram() {}

    /**
     * Prints the program on standard output. The exit status is 0, or 1 with the reason on standard error.
     *
     * @param arguments files of snippets, in their order
     */
    public static void main(String[] arguments) throws IOException {
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        SessionProgram program = new SessionProgram();
        try {
            for (String file : arguments) {
                program.add(Files.readString(Path.of(file)));
            }
            out.print(program.text());
        } catch (IllegalArgumentException wrong) {
            System.err.println(wrong.getMessage());
            System.exit(1);
        }
    }

    /** The program of some snippets. */
    static String of(String... sessions) {
        SessionProgram program = new SessionProgram();
        for (String session : sessions) {
            program.add(session);
        }
        return program.text();
    }

    private void add(String session) {
        StringBuilder java = new StringBuilder();
        session.lines()
                .filter(line -> !line.matches("/[a-zA-Z!?-].*")) // a command of JShell
                .forEach(line -> java.append(line).append('\n'));
        try (JShell shell = JShell.builder()
                .executionEngine(new LocalExecutionControlProvider(), Map.of())
                .build()) {
            SourceCodeAnalysis analysis = shell.sourceCodeAnalysis();
            String rest = java.toString();
            while (!rest.isBlank()) {
                CompletionInfo next = analysis.analyzeCompletion(rest);
                String source = next.source();
                if (!next.completeness().isComplete() || source == null || source.isBlank()) {
                    throw new IllegalArgumentException("this is no Java: " + firstLine(rest));
                }
                for (Snippet snippet : analysis.sourceToSnippets(source)) {
                    add(snippet);
                }
                rest = next.remaining();
            }
        }
    }

    private void add(Snippet snippet) {
        String source = snippet.source().strip();
        Matcher temporary = Pattern.compile(TEMPORARY).matcher(source);
        if (temporary.find()) {
            throw new IllegalArgumentException("'%s' uses %s, a variable that JShell has named: give it a name of yours"
                    .formatted(firstLine(source), temporary.group()));
        }
        switch (snippet.kind()) {
            case IMPORT -> imports.add(ended(source));
            case TYPE_DECL, METHOD -> members.add(source);
            case VAR -> addVariable((VarSnippet) snippet, source);
            case EXPRESSION ->
                statements.add(isStatement(source) ? ended(source) : "System.out.println(" + unended(source) + ");");
            case STATEMENT -> statements.add(source);
            case ERRONEOUS -> throw new IllegalArgumentException("this is no Java: " + firstLine(source));
        }
    }

    /** A field, which methods see; a local variable where the type is not written. */
    private void addVariable(VarSnippet variable, String source) {
        Matcher declared = Pattern.compile(
                        "(?:final\\s+)?([\\w.<>\\[\\], ?]+?)\\s+" + Pattern.quote(variable.name()) + "\\s*(?:=(.*))?;?",
                        Pattern.DOTALL)
                .matcher(source);
        if (!declared.matches() || declared.group(1).equals("var")) {
            statements.add(ended(source));
            return;
        }
        String type = declared.group(1);
        String field = type + " " + variable.name() + ";";
        if (!fields.contains(field)) {
            fields.add(field);
        }
        String value = declared.group(2);
        if (value != null) {
            String initial = unended(value).strip();
            statements.add("%s = %s;"
                    .formatted(variable.name(), initial.startsWith("{") ? "new " + type + " " + initial : initial));
        }
    }

    /** Whether an expression can be a statement: a call, an assignment, a new object. */
    private static boolean isStatement(String source) {
        String expression = unended(source).strip();
        int depth = 0;
        for (int at = 0; at < expression.length(); at++) {
            char here = expression.charAt(at);
            if (here == '"' || here == '\'') {
                at = endOfLiteral(expression, at);
            } else if ("([{".indexOf(here) >= 0) {
                depth++;
            } else if (")]}".indexOf(here) >= 0) {
                depth--;
            } else if (depth == 0 && here == '=') {
                boolean compares = expression.startsWith("==", at) || at > 0 && "!<>".indexOf(expression.charAt(at - 1)) >= 0;
                return !compares;
            } else if (depth == 0 && (expression.startsWith("++", at) || expression.startsWith("--", at))) {
                return true;
            } else if (depth == 0 && BINARY.indexOf(here) >= 0 && !expression.startsWith("=", at + 1)) {
                return false;
            }
        }
        return expression.endsWith(")") && !expression.startsWith("(");
    }

    /** The index of the quote that ends a literal. */
    private static int endOfLiteral(String text, int start) {
        char quote = text.charAt(start);
        for (int at = start + 1; at < text.length(); at++) {
            if (text.charAt(at) == '\\') {
                at++;
            } else if (text.charAt(at) == quote) {
                return at;
            }
        }
        return text.length();
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
        statements.forEach(each -> each.lines().forEach(line -> text.append(INDENT).append(line).append('\n')));
        return text.append("}\n").toString();
    }
}
