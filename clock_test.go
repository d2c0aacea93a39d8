package muster_test

import (
	"go/ast"
	"go/token"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// clockOwners may ask what time it is; all others are told.
var clockOwners = []string{"engine", "cmd/muster"}

func TestClock(t *testing.T) {
	eachFile(t, func(name string, file *ast.File, fset *token.FileSet) {
		for _, at := range clockReads(path.Dir(name), file) {
			t.Errorf("%s: reads the clock; take now as an argument", fset.Position(at))
		}
	})
}

// comparesClocks is the one file that asks a database for the time, to compare
// the clocks of replicas with it.
const comparesClocks = "store/replicas.go"

// TestSQLClock keeps the database's clock out of SQL: engines compare instants
// that they made themselves.
func TestSQLClock(t *testing.T) {
	eachFile(t, func(name string, file *ast.File, fset *token.FileSet) {
		if name == comparesClocks {
			return
		}
		for _, at := range sqlClocks(file) {
			t.Errorf("%s: reads the database's clock; pass the instant as a parameter", fset.Position(at))
		}
	})
	walk(t, ".sql", func(name string) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if hit := sqlClock.Find(text); hit != nil {
			t.Errorf("%s: %q reads the database's clock; pass the instant as a parameter", name, hit)
		}
	})
}

// clockReads returns where a file in dir reads the clock or, if it is pure,
// waits on it.
func clockReads(dir string, file *ast.File) (found []token.Pos) {
	if slices.Contains(clockOwners, owner(dir)) {
		return nil
	}
	clock := []string{"Now", "Since", "Until"}
	if slices.Contains(pure, owner(dir)) {
		clock = append(clock, "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker")
	}
	if localName(file, "time") == "." { // the names could not be told from others
		found = append(found, file.Pos())
	}
	uses(file, "time", func(name string, at token.Pos) {
		if slices.Contains(clock, name) {
			found = append(found, at)
		}
	})
	return found
}

var sqlClock = regexp.MustCompile(`(?i)(^|[^.\w])(now\s*\(\s*\)|(clock|statement|transaction)_timestamp\s*\(|current_(timestamp|date|time)\b|localtime(stamp)?\b|'now'|unixepoch\s*\(\s*\))`)

// sqlClocks returns where a string of a file asks a database for the time.
func sqlClocks(file *ast.File) (found []token.Pos) {
	ast.Inspect(file, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil && sqlClock.MatchString(text) {
				found = append(found, lit.Pos())
			}
		}
		return true
	})
	return found
}

// TestClockSees proves that the tests above can fail.
func TestClockSees(t *testing.T) {
	tests := []struct {
		dir, source string
		clock, sql  int // how many places are found
	}{
		{"notify", `import "time"; var n = time.Now()`, 1, 0},
		{"notify", `import "time"; var n = time.Now`, 1, 0},
		{"notify", `import c "time"; var n = c.Since(x)`, 1, 0},
		{"notify", `import . "time"; var n = Now()`, 1, 0},
		{"notify", `import "time"; var n = time.Sleep`, 0, 0},
		{"oncall", `import "time"; var n = time.Sleep`, 1, 0},
		{"web", `import "time"; var n = time.Until(x)`, 1, 0},
		{"engine", `import "time"; var n = time.Now()`, 0, 0},
		{"cmd/muster", `import "time"; var n = time.Now()`, 0, 0},
		{"store", "const q = `SELECT a FROM t WHERE due < now()`", 0, 1},
		{"store", `const q = "DEFAULT CURRENT_TIMESTAMP"`, 0, 1},
		{"store", `const q = "datetime('now')"`, 0, 1},
		{"store", `const q = "call Deps.Now() first; known ()"`, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.dir+" "+tt.source, func(t *testing.T) {
			file := parse(t, tt.source)
			if clock, sql := len(clockReads(tt.dir, file)), len(sqlClocks(file)); clock != tt.clock || sql != tt.sql {
				t.Errorf("found %d and %d, want %d and %d", clock, sql, tt.clock, tt.sql)
			}
		})
	}
}
