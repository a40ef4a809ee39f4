package repo

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// productFiles parses the files of the library and of zkr, without tests, by path. The
// packages for tests, the examples and the benchmarks write no log of a product.
func productFiles(t *testing.T) map[string]*ast.File {
	t.Helper()
	files := make(map[string]*ast.File)
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path == ".git" || slices.Contains([]string{"examples", "bench", "zktest", "internal/test"}, filepath.ToSlash(path)) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		files[filepath.ToSlash(path)], err = parser.ParseFile(token.NewFileSet(), path, nil, 0)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// isInternal reports whether users cannot import the package of a file.
func isInternal(path string) bool {
	return strings.Contains("/"+path, "/internal/") || strings.HasPrefix(path, "cmd/")
}

// exportedErrors returns the exported error variables of the packages that users can
// import, as "lock.ErrLost".
func exportedErrors(files map[string]*ast.File) []string {
	var names []string
	for path, file := range files {
		if isInternal(path) {
			continue
		}
		for _, decl := range file.Decls {
			vars, ok := decl.(*ast.GenDecl)
			if !ok || vars.Tok != token.VAR {
				continue
			}
			for _, spec := range vars.Specs {
				for _, name := range spec.(*ast.ValueSpec).Names {
					if strings.HasPrefix(name.Name, "Err") {
						names = append(names, file.Name.Name+"."+name.Name)
					}
				}
			}
		}
	}
	slices.Sort(names)
	return names
}

// logLine is a call of a slog.Logger.
type logLine struct {
	level, message string
	attrs          []string
}

var slogLevels = []string{"Debug", "Info", "Warn", "Error"}

// logLines returns the calls of a slog.Logger. Their messages begin with "zookeeper: ",
// which is cut off here.
func logLines(t *testing.T, files map[string]*ast.File) []logLine {
	t.Helper()
	var lines []logLine
	for path, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok || len(call.Args) == 0 {
				return true
			}
			level, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || !slices.Contains(slogLevels, level.Sel.Name) || !isLogger(level.X) {
				return true
			}
			message, ok := firstString(call.Args[0])
			if !ok {
				t.Errorf("%s: the message of a log line does not begin with a constant text", path)
				return true
			}
			short, ok := strings.CutPrefix(message, "zookeeper: ")
			if !ok {
				t.Errorf("%s: the log line %q does not begin with %q", path, message, "zookeeper: ")
			}
			line := logLine{level: strings.ToLower(level.Sel.Name), message: strings.TrimSuffix(short, ": ")}
			for i := 1; i < len(call.Args); i += 2 {
				attr, ok := firstString(call.Args[i])
				if !ok {
					t.Errorf("%s: %q has an attribute without a constant name", path, message)
				}
				line.attrs = append(line.attrs, attr)
			}
			lines = append(lines, line)
			return true
		})
	}
	return lines
}

// isLogger reports whether an expression is package slog or is named as a logger.
func isLogger(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return slices.Contains([]string{"slog", "log", "logger"}, e.Name)
	case *ast.SelectorExpr:
		return slices.Contains([]string{"Log", "log", "logger"}, e.Sel.Name)
	}
	return false
}

// firstString returns the string constant with which an expression begins.
func firstString(e ast.Expr) (string, bool) {
	if sum, ok := e.(*ast.BinaryExpr); ok {
		return firstString(sum.X)
	}
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}

// section returns the part of a document below a heading, up to the next one of the same
// level or of a higher one.
func section(t *testing.T, document, heading string) string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut("\n"+string(text), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("%s has no heading %q", document, heading)
	}
	level := strings.Count(strings.Fields(heading)[0], "#")
	if end := regexp.MustCompile(`(?m)^#{1,` + strconv.Itoa(level) + `} `).FindStringIndex(rest); end != nil {
		rest = rest[:end[0]]
	}
	return rest
}

// tableRows returns the cells of the rows of all tables in a text, without the headers.
func tableRows(text string) [][]string {
	var rows [][]string
	body := false
	for line := range strings.Lines(text) {
		switch line = strings.TrimSpace(line); {
		case !strings.HasPrefix(line, "|"):
			body = false
		case strings.HasPrefix(line, "|---"):
			body = true
		case body:
			cells := strings.Split(strings.Trim(line, "|"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows = append(rows, cells)
		}
	}
	return rows
}

var quoted = regexp.MustCompile("`([^`]+)`")

// quotedIn returns the texts in backquotes, in order.
func quotedIn(text string) []string {
	var all []string
	for _, m := range quoted.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

const operationsPage = "docs/operations.md"

// docs/operations.md has a row for each exported error, and for no other.
func TestErrorsAreExplained(t *testing.T) {
	inRoot(t)
	want := exportedErrors(productFiles(t))
	if len(want) < 40 {
		t.Fatalf("the code has only the errors %v", want)
	}
	var got []string
	for _, row := range tableRows(section(t, operationsPage, "### Errors")) {
		got = append(got, quotedIn(row[0])...)
		if len(row) != 3 || row[1] == "" || row[2] == "" {
			t.Errorf("the row of %s does not have three cells", row[0])
		}
	}
	slices.Sort(got)
	for _, name := range want {
		if !slices.Contains(got, name) {
			t.Errorf("%s does not explain %s", operationsPage, name)
		}
	}
	for i, name := range got {
		if !slices.Contains(want, name) {
			t.Errorf("%s explains %s, which does not exist", operationsPage, name)
		}
		if i > 0 && got[i-1] == name {
			t.Errorf("%s explains %s twice", operationsPage, name)
		}
	}
}

// docs/operations.md has a row for each line that the library logs, with its level and its
// attributes, and for no other.
func TestLogLinesAreExplained(t *testing.T) {
	inRoot(t)
	lines := logLines(t, productFiles(t))
	if len(lines) < 5 {
		t.Fatalf("the code has only the log lines %v", lines)
	}
	explained := make(map[string][]string) // the cells, by message
	for _, row := range tableRows(section(t, operationsPage, "### Log lines")) {
		if messages := quotedIn(row[0]); len(row) == 4 && len(messages) == 1 && row[3] != "" {
			explained[messages[0]] = row
		} else {
			t.Errorf("a row is not a message, a level, attributes and an explanation: %v", row)
		}
	}
	attrs := quotedIn(section(t, operationsPage, "### Attributes"))
	found := make(map[string]bool)
	for _, l := range lines {
		found[l.message] = true
		row, ok := explained[l.message]
		if !ok {
			t.Errorf("%s does not explain the log line %q", operationsPage, l.message)
			continue
		}
		if row[1] != l.level || !slices.Equal(quotedIn(row[2]), l.attrs) {
			t.Errorf("the log line %q has the level %s and the attributes %v, not %s and %s", l.message, l.level, l.attrs, row[1], row[2])
		}
		for _, a := range l.attrs {
			if !slices.Contains(attrs, a) {
				t.Errorf("%s does not explain the attribute %s", operationsPage, a)
			}
		}
	}
	for message := range explained {
		if !found[message] {
			t.Errorf("nothing logs %q", message)
		}
	}
}

// The lines of zkr in docs/operations.md are texts in its code. A part in capitals stands
// for something that changes, which is a verb of the format in the code.
func TestLinesOfZkrExist(t *testing.T) {
	inRoot(t)
	var formats strings.Builder
	for path, file := range productFiles(t) {
		if !strings.HasPrefix(path, "cmd/zkr/") {
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
				if s, err := strconv.Unquote(lit.Value); err == nil {
					formats.WriteString(s + "\n")
				}
			}
			return true
		})
	}
	rows := tableRows(section(t, operationsPage, "### Lines of zkr"))
	if len(rows) < 5 {
		t.Errorf("%s has only %d lines of zkr", operationsPage, len(rows))
	}
	variable := regexp.MustCompile(`\b[A-Z]{2,}\b`)
	for _, row := range rows {
		for _, line := range quotedIn(row[0]) {
			for _, part := range variable.Split(line, -1) {
				if part = strings.Trim(part, " :"); len(part) > 1 && !strings.Contains(formats.String(), part) {
					t.Errorf("zkr does not print %q of %q", part, line)
				}
			}
		}
	}
}
