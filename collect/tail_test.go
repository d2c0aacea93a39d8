package collect_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/musterhq/muster/collect"
	"pgregory.net/rapid"
)

// tailing is a log in a folder of its own, with a tail that can be restarted.
type tailing struct {
	t    testing.TB
	path string
	tail *collect.Tail
	pos  collect.Position
	got  strings.Builder
	errs []error
}

func newTailing(t testing.TB, dir string) *tailing {
	path := filepath.Join(dir, "access.log")
	return &tailing{t: t, path: path, tail: collect.OpenTail(path, collect.Position{})}
}

func (l *tailing) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// write appends to the log as a program does that opens it anew.
func (l *tailing) write(text string) {
	l.t.Helper()
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	l.must(err)
	_, err = f.WriteString(text)
	l.must(err)
	l.must(f.Close())
}

// once asks for the next lines and keeps them.
func (l *tailing) once(maxBytes int) bool {
	l.t.Helper()
	lines, pos, err := l.tail.Next(maxBytes)
	if err != nil {
		l.errs = append(l.errs, err)
	}
	if len(lines) > 0 && lines[len(lines)-1] != '\n' {
		l.t.Fatalf("lines end in the middle: %q", lines)
	}
	l.got.Write(lines)
	l.pos = pos
	return len(lines) > 0 || err != nil
}

// drain asks until there is nothing more.
func (l *tailing) drain() {
	l.t.Helper()
	for idle := 0; idle < 3; {
		if l.once(1 << 16) {
			idle = 0
		} else {
			idle++
		}
	}
}

// restart goes on from the stored position in a new tail.
func (l *tailing) restart() {
	l.t.Helper()
	text, err := json.Marshal(l.pos)
	l.must(err)
	l.must(l.tail.Close())
	var pos collect.Position
	l.must(json.Unmarshal(text, &pos))
	l.tail = collect.OpenTail(l.path, pos)
}

func (l *tailing) stop()            { l.must(l.tail.Close()) }
func (l *tailing) rotate(to string) { l.t.Helper(); l.must(os.Rename(l.path, l.path+to)) }

func (l *tailing) copyTruncate(to string) {
	l.t.Helper()
	from, err := os.ReadFile(l.path)
	l.must(err)
	l.must(os.WriteFile(l.path+to, from, 0o600))
	l.must(os.Truncate(l.path, 0))
}

func TestTail(t *testing.T) {
	tests := []struct {
		name string
		run  func(*tailing)
		want string
		lost int
	}{
		{"missing at the start", func(l *tailing) { l.drain(); l.write("1\n2\n"); l.drain() }, "1 2", 0},
		{"missing folder", func(l *tailing) {
			l.must(l.tail.Close())
			l.path = filepath.Join(filepath.Dir(l.path), "sub", "access.log")
			l.tail = collect.OpenTail(l.path, collect.Position{})
			l.drain()
			l.must(os.Mkdir(filepath.Dir(l.path), 0o700))
			l.write("1\n")
			l.drain()
		}, "1", 0},
		{"partial last line", func(l *tailing) {
			l.write("1\n2")
			l.drain()
			l.write("3\n4")
			l.drain()
			l.write("\n")
			l.drain()
		}, "1 23 4", 0},
		{"partial last line and restart", func(l *tailing) { l.write("1\n2"); l.drain(); l.restart(); l.write("3\n"); l.drain() }, "1 23", 0},
		{"restart", func(l *tailing) {
			l.write("1\n2\n")
			l.drain()
			l.restart()
			l.drain()
			l.write("3\n")
			l.drain()
			l.restart()
			l.drain()
		}, "1 2 3", 0},
		{"renamed with unread lines", func(l *tailing) {
			l.write("1\n")
			l.drain()
			l.write("2\n")
			l.rotate(".1")
			l.write("3\n")
			l.drain()
		}, "1 2 3", 0},
		{"renamed, nothing read", func(l *tailing) { l.write("1\n"); l.once(1); l.rotate(".1"); l.write("2\n"); l.drain() }, "1 2", 0},
		{"renamed, still written to", func(l *tailing) {
			l.write("1\n")
			l.drain()
			old, err := os.OpenFile(l.path, os.O_APPEND|os.O_WRONLY, 0)
			l.must(err)
			l.rotate(".1")
			l.drain()
			old.WriteString("2\n")
			l.drain()
			l.write("") // the successor is there, empty
			l.drain()
			old.WriteString("3\n")
			l.drain()
			l.restart()
			old.WriteString("4\n")
			l.must(old.Close())
			l.drain()
			l.write("5\n")
			l.drain()
		}, "1 2 3 4 5", 0},
		{"renamed with a partial line", func(l *tailing) { l.write("1\n2"); l.drain(); l.rotate(".1"); l.write("3\n"); l.drain() }, "1 3 2", 0},
		{"renamed twice unseen", func(l *tailing) {
			l.write("1\n")
			l.drain()
			l.write("2\n")
			l.rotate(".1")
			l.write("3\n")
			l.must(os.Rename(l.path+".1", l.path+".2"))
			l.rotate(".1")
			l.write("4\n")
			l.drain()
		}, "1 2 3 4", 0},
		{"renamed while down", func(l *tailing) {
			l.write("1\n2\n")
			l.once(1)
			l.rotate(".1")
			l.write("3\n")
			l.restart()
			l.drain()
		}, "1 2 3", 0},
		{"renamed twice while down", func(l *tailing) {
			l.write("1\n")
			l.drain()
			l.write("2\n")
			l.rotate("-20261121")
			l.write("3\n")
			l.rotate("-20261122")
			l.write("4\n")
			l.restart()
			l.drain()
		}, "1 2 3 4", 0},
		{"renamed while down, no successor yet", func(l *tailing) {
			l.write("1\n")
			l.drain()
			l.write("2\n")
			l.rotate(".1")
			l.restart()
			l.drain()
			l.write("3\n")
			l.drain()
		}, "1 2 3", 0},
		{"finished files are not read again", func(l *tailing) {
			l.write("1\n")
			l.drain()
			l.rotate(".1")
			l.write("2\n")
			l.drain()
			l.must(os.WriteFile(l.path+".bak", []byte("no\n"), 0o600))
			l.restart()
			l.drain()
			l.rotate(".2")
			l.write("3\n")
			l.drain()
			l.restart()
			l.drain()
		}, "1 2 3", 0},
		{"copied and truncated", func(l *tailing) {
			l.write("1\n2\n")
			l.drain()
			l.copyTruncate(".1")
			l.drain()
			l.write("3\n")
			l.drain()
		}, "1 2 3", 0},
		{"copied and truncated with unread lines", func(l *tailing) {
			l.write("1\n")
			l.drain()
			l.write("2\n")
			l.copyTruncate(".1")
			l.write("3\n")
			l.drain()
		}, "1 2 3", 0},
		{"copied, truncated and grown beyond", func(l *tailing) {
			l.write("1\n")
			l.drain()
			l.write("2\n")
			l.copyTruncate(".1")
			l.write("3 and much more\n4\n")
			l.drain()
		}, "1 2 3_and_much_more 4", 0},
		{"copied and truncated while down", func(l *tailing) {
			l.write("1\n")
			l.drain()
			l.write("2\n")
			l.copyTruncate(".1")
			l.write("3\n4\n5\n")
			l.restart()
			l.drain()
		}, "1 2 3 4 5", 0},
		{"truncated without a copy", func(l *tailing) {
			l.write("1\n2\n")
			l.drain()
			l.must(os.Truncate(l.path, 0))
			l.write("3\n")
			l.drain()
		}, "1 2 3", 1},
		{"deleted and made anew", func(l *tailing) {
			l.write("1\n")
			l.drain()
			l.write("2\n")
			l.must(os.Remove(l.path))
			l.drain()
			l.write("3\n")
			l.drain()
		}, "1 2 3", 0},
		{"deleted and made anew while down", func(l *tailing) {
			l.write("1\n")
			l.drain()
			l.must(os.Remove(l.path))
			l.write("2\n")
			l.restart()
			l.drain()
		}, "1 2", 1},
		{"a folder at the path", func(l *tailing) {
			l.must(os.Mkdir(l.path, 0o700))
			l.once(1)
			l.must(os.Remove(l.path))
			l.write("1\n")
			l.drain()
		}, "1", 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := newTailing(t, t.TempDir())
			defer l.stop()
			tt.run(l)
			got := strings.Join(strings.Split(strings.ReplaceAll(strings.TrimSuffix(l.got.String(), "\n"), " ", "_"), "\n"), " ")
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
			if len(l.errs) != tt.lost {
				t.Errorf("errors %v, want %d", l.errs, tt.lost)
			}
			for _, err := range l.errs {
				if !strings.Contains(err.Error(), l.path) {
					t.Errorf("error without the path: %v", err)
				}
			}
		})
	}
}

func TestTailErrLost(t *testing.T) {
	l := newTailing(t, t.TempDir())
	defer l.stop()
	l.write("1\n")
	l.drain()
	l.must(os.Truncate(l.path, 0))
	l.drain()
	if len(l.errs) != 1 || !errors.Is(l.errs[0], collect.ErrLost) {
		t.Errorf("%v, want ErrLost once", l.errs)
	}
}

func TestTailLongLines(t *testing.T) {
	l := newTailing(t, t.TempDir())
	defer l.stop()
	long := strings.Repeat("x", collect.MaxLine+10)
	l.write("1\n" + long)
	l.drain()
	l.restart()
	l.write(long)
	l.drain()
	l.write("\n2\n" + strings.Repeat("y", 1000) + "\n")
	for l.once(10) {
	}
	l.drain()
	if want := "1\n2\n" + strings.Repeat("y", 1000) + "\n"; l.got.String() != want {
		t.Errorf("%d bytes, want %d", l.got.Len(), len(want))
	}
}

// TestTailProperty: whatever a program and its rotation do, and whenever the
// tail is restarted, each line is read once, in the order of its file.
func TestTailProperty(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp("", "tail")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		l := newTailing(t, dir)
		defer l.stop()
		copying := rapid.Bool().Draw(rt, "copy and truncate")
		next, file := 1, 0
		var written []string
		var did []string
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			do := rapid.SampledFrom([]string{"write", "write", "half", "rotate", "read", "read", "restart"}).Draw(rt, "step")
			did = append(did, do)
			switch do {
			case "write", "half":
				for range rapid.IntRange(1, 30).Draw(rt, "lines") {
					text := fmt.Sprintf("line %d of file %d %s\n", next, file, strings.Repeat("z", next%50))
					next++
					written = append(written, text)
					if do == "half" {
						l.write(text[:7])
						l.once(64)
						l.write(text[7:])
					} else {
						l.write(text)
					}
				}
			case "rotate":
				if _, err := os.Stat(l.path); err != nil {
					continue
				}
				for i := file; i > 0; i-- {
					l.must(os.Rename(fmt.Sprintf("%s.%d", l.path, i), fmt.Sprintf("%s.%d", l.path, i+1)))
				}
				file++
				if l.pos.Current.Inode == 0 {
					l.once(1) // a file that came and went unseen is not looked for
				}
				if copying {
					l.once(1) // nor is the copy of one of which nothing was read
					l.copyTruncate(".1")
				} else {
					l.rotate(".1")
				}
			case "read":
				l.once(rapid.IntRange(1, 500).Draw(rt, "bytes"))
			case "restart":
				l.restart()
			}
		}
		l.drain()
		if d := cmp.Diff(strings.Join(written, ""), l.got.String()); d != "" {
			rt.Fatalf("%v\n%s", did, d)
		}
		if len(l.errs) > 0 {
			rt.Fatalf("%v: %v", did, l.errs)
		}
	})
}

var _ io.Closer = (*collect.Tail)(nil)
