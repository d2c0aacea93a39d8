package muster_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const module = "github.com/musterhq/muster"

// layers are the packages, from the top to the bottom. A package may import
// those of the layers below its own, of its own layer none but those that
// beside names, and of the layers above none at all. A new package goes into
// this table; a folder that is not in it fails the test.
var layers = [][]string{
	{"cmd/muster"},
	{"web"},
	{"engine"},
	{"store", "collect", "notify", "runbook", "chat", "ticket", "watch"},
	pure,
	{
		"docs/knowledge",      // the handbook's pages
		"internal/archive",    // the form of a backup
		"internal/benchdoc",   // the runner of the benchmarks
		"internal/chart",      // SVG and text charts
		"internal/checkout",   // the repository that a pipeline builds
		"internal/faultdisk",  // a disk under SQLite that loses its power
		"internal/faultwire",  // a way to a PostgreSQL that fails
		"internal/id",         // UUIDv7
		"internal/jsonscan",   // JSON: positions, depth, duplicates
		"internal/jsontest",   // what writes JSON by hand, held to encoding/json
		"internal/jsonwrite",  // JSON objects, written fast
		"internal/pgtest",     // a PostgreSQL for tests
		"internal/probe",      // programs run under Valgrind or with sanitizers
		"internal/seal",       // secrets at rest
		"internal/shop",       // the service that the demo watches
		"internal/testreport", // the runner of the tests
		"internal/vendortest", // stand-ins of Slack, GitLab …
		"internal/wire",       // the guarded HTTP client
		"templates",           // jobs for CI systems, to be included
		"internal/xmlscan",    // XML: a stream of tags, in little memory
	},
}

// pure packages are functions of their arguments: no clock, no network, no
// database, no files, no environment, no logging.
var pure = []string{
	"incident", "oncall", "route", "detect", "event", "gate", "postmortem", "sla", "config", "importer",
}

// beside names imports between packages of one layer. Packages under internal
// may import each other as they need.
var beside = map[string][]string{
	"config":     {"detect", "oncall"},
	"postmortem": {"incident"},
}

// pureInternal are the packages under internal that pure packages may import;
// they are held to be as pure.
var pureInternal = []string{"internal/chart", "internal/jsonscan", "internal/jsonwrite", "internal/xmlscan"}

// impure are the packages of the standard library that reach for the world;
// so do those below them, but for the ones in harmless, which only parse.
var (
	impure   = []string{"net", "os", "database/sql", "log", "io/fs", "io/ioutil", "path/filepath", "embed", "syscall", "runtime", "plugin", "testing", "crypto/rand", "math/rand"}
	harmless = []string{"net/url", "net/netip", "net/mail", "net/textproto"}
)

// computing are the modules that pure packages may import: they compute.
var computing = []string{"github.com/tidwall/gjson", "go.yaml.in/yaml/v3", "cel.dev/cel-go", "github.com/DataDog/sketches-go"}

// headerOnly are pure packages that may import net/http, for http.Header.
var headerOnly = []string{"event"}

// testOnly are packages that no production code may import.
var testOnly = map[string][]string{"internal/pgtest": {"internal/testreport"}, "internal/faultdisk": {}, "internal/faultwire": {}, "internal/jsontest": {}}

func TestLayers(t *testing.T) {
	eachFile(t, func(name string, file *ast.File, fset *token.FileSet) {
		for _, v := range layerViolations(path.Dir(name), file) {
			t.Errorf("%s: %s", name, v)
		}
	})
}

// layerViolations says what is wrong with the imports of a file in dir.
func layerViolations(dir string, file *ast.File) (wrong []string) {
	if dir == "." {
		return nil
	}
	from := layer(dir)
	if from < 0 {
		return []string{"package " + dir + " is not in the table of layers_test.go; place it there"}
	}
	isPure := slices.Contains(slices.Concat(pure, pureInternal), owner(dir))
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return []string{err.Error()}
		}
		to, ours := strings.CutPrefix(imported, module+"/")
		switch {
		case !ours && isPure && reachesOut(imported):
			if imported != "net/http" || !slices.Contains(headerOnly, dir) || !onlyHeader(file) {
				wrong = append(wrong, dir+" is pure and may not import "+imported)
			}
		case imported == module:
			wrong = append(wrong, "the root is no package to import")
		case !ours || owner(to) == owner(dir):
		case layer(to) < 0:
			wrong = append(wrong, to+" is not in the table of layers_test.go")
		case layer(to) < from:
			wrong = append(wrong, dir+" may not import "+to+", which stands above it")
		case layer(to) == from && !strings.HasPrefix(dir, "internal/") && !slices.Contains(beside[owner(dir)], owner(to)):
			wrong = append(wrong, dir+" may not import "+to+", which stands beside it")
		case isPure && strings.HasPrefix(to, "internal/") && !slices.Contains(pureInternal, to):
			wrong = append(wrong, dir+" is pure and may not import "+to)
		case testOnly[to] != nil && !slices.Contains(testOnly[to], dir):
			wrong = append(wrong, to+" is for tests alone")
		}
	}
	return wrong
}

// layer returns the number of the layer of a folder, and -1 for one that is in
// none.
func layer(dir string) int {
	return slices.IndexFunc(layers, func(row []string) bool { return slices.Contains(row, owner(dir)) })
}

// owner returns the entry of the table that a folder is or lies in, and "" for
// none: web/ui belongs to web.
func owner(dir string) string {
	for _, row := range layers {
		for _, name := range row {
			if dir == name || strings.HasPrefix(dir, name+"/") {
				return name
			}
		}
	}
	return ""
}

// reachesOut reports whether a package that is not ours may do more than
// compute.
func reachesOut(imported string) bool {
	within := func(p string) bool { return imported == p || strings.HasPrefix(imported, p+"/") }
	if host, _, _ := strings.Cut(imported, "/"); strings.Contains(host, ".") {
		return !slices.ContainsFunc(computing, within)
	}
	return !slices.Contains(harmless, imported) && slices.ContainsFunc(impure, within)
}

// localName returns the name under which a file imports a package, or "".
func localName(file *ast.File, imported string) string {
	for _, spec := range file.Imports {
		if spec.Path.Value == strconv.Quote(imported) {
			if spec.Name != nil {
				return spec.Name.Name
			}
			return path.Base(imported)
		}
	}
	return ""
}

// uses calls f for each name that a file takes from a package. Taking
// time.Now as a value is a use as calling it is.
func uses(file *ast.File, imported string, f func(name string, at token.Pos)) {
	local := localName(file, imported)
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && local != "" && x.Name == local {
				f(sel.Sel.Name, sel.Pos())
			}
		}
		return true
	})
}

func onlyHeader(file *ast.File) bool {
	only := localName(file, "net/http") != "."
	uses(file, "net/http", func(name string, _ token.Pos) { only = only && name == "Header" })
	return only
}

// eachFile calls f for each Go file of the module that is not a test. Names
// are relative to the root, with slashes.
func eachFile(t *testing.T, f func(name string, file *ast.File, fset *token.FileSet)) {
	fset := token.NewFileSet()
	walk(t, ".go", func(name string) {
		if strings.HasSuffix(name, "_test.go") {
			return
		}
		file, err := parser.ParseFile(fset, name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		f(name, file, fset)
	})
}

// walk calls f for each file of the module with the given ending.
func walk(t *testing.T, ending string, f func(name string)) {
	t.Helper()
	skip := []string{"testdata", "vendor", "node_modules", "bin", "dist"}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := name != "." && strings.ContainsRune("._", rune(d.Name()[0]))
		if d.IsDir() && (hidden || slices.Contains(skip, d.Name())) {
			return fs.SkipDir
		}
		if !d.IsDir() && !hidden && strings.HasSuffix(name, ending) {
			f(filepath.ToSlash(name))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestLayersSees proves that TestLayers can fail.
func TestLayersSees(t *testing.T) {
	ours := func(p string) string { return `import _ "` + module + "/" + p + `"` }
	tests := []struct {
		dir, source string
		want        string // how the violation ends; "" for none
	}{
		{"web", ours("engine"), ""},
		{"web", ours("store"), ""},
		{"web/ui", ours("web"), ""},
		{"engine", ours("web"), "may not import web, which stands above it"},
		{"internal/wire", ours("config"), "may not import config, which stands above it"},
		{"internal/vendortest", ours("internal/wire"), ""},
		{"runbook", ours("notify"), "may not import notify, which stands beside it"},
		{"event", ours("incident"), "may not import incident, which stands beside it"},
		{"config", ours("oncall"), ""},
		{"config", ours("event"), "may not import event, which stands beside it"},
		{"store", ours("incident"), ""},
		{"event", ours("internal/jsonscan"), ""},
		{"event", ours("internal/wire"), "is pure and may not import internal/wire"},
		{"store", ours("internal/pgtest"), "is for tests alone"},
		{"internal/testreport", ours("internal/pgtest"), ""},
		{"manager", `import _ "fmt"`, "place it there"},
		{"cmd/other", `import _ "fmt"`, "place it there"},
		{"store", ours("manager"), "is not in the table of layers_test.go"},
		{"store", `import _ "` + module + `"`, "the root is no package to import"},
		{"oncall", `import _ "os/user"`, "may not import os/user"},
		{"oncall", `import _ "net/url"`, ""},
		{"sla", `import _ "log/slog"`, "may not import log/slog"},
		{"event", `import "net/http"; var h http.Header`, ""},
		{"event", `import "net/http"; var h = http.Get`, "may not import net/http"},
		{"event", `import . "net/http"`, "may not import net/http"},
		{"route", `import "net/http"; var h http.Header`, "may not import net/http"},
		{"store", `import "net/http"; var h = http.Get`, ""},
		{"oncall", `import _ "github.com/jackc/pgx/v5/stdlib"`, "may not import github.com/jackc/pgx/v5/stdlib"},
		{"config", `import _ "go.yaml.in/yaml/v3"`, ""},
		{"internal/chart", `import _ "os"`, "is pure and may not import os"},
	}
	for _, tt := range tests {
		t.Run(tt.dir+" "+tt.source, func(t *testing.T) {
			got := strings.Join(layerViolations(tt.dir, parse(t, tt.source)), "; ")
			if (tt.want == "") != (got == "") || !strings.HasSuffix(got, tt.want) {
				t.Errorf("found %q, want %q", got, tt.want)
			}
		})
	}
}

func parse(t *testing.T, source string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x\n"+source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestTableNamesEachPackageOnce keeps the table itself right.
func TestTableNamesEachPackageOnce(t *testing.T) {
	names := slices.Sorted(slices.Values(slices.Concat(layers...)))
	if diff := cmp.Diff(slices.Compact(slices.Clone(names)), names); diff != "" {
		t.Errorf("named twice (-once +as it is):\n%s", diff)
	}
	listed := append([]string{}, pureInternal...)
	for from, to := range beside {
		listed = append(append(listed, from), to...)
	}
	for _, name := range append(listed, headerOnly...) {
		if !slices.Contains(names, name) {
			t.Errorf("%s is in a list and not in the table", name)
		}
	}
}
