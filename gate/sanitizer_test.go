package gate

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSanitizers compiles the programs of testdata with the sanitizers of the
// real compiler. Each log is what a person expects of the source.
func TestSanitizers(t *testing.T) {
	const silent = "broken: the file is empty: no tool has written a report into it"
	tests := []struct {
		sanitizer string
		source    string
		options   string // of the sanitizer
		status    int
		want      []string
	}{
		{"address", "clean.c", "", 0, []string{silent}},
		{"address", "access.c", "", 1, []string{
			"heap-buffer-overflow out-of-bounds critical write_behind: heap-buffer-overflow: WRITE of size 4, 0 bytes to the right of 40-byte region",
		}},
		{"address", "twice.c", "", 1, []string{"double-free invalid-free critical release: double-free, 0 bytes inside of 10-byte region"}},
		{"address", "crash.c", "", 1, []string{"SEGV invalid-access critical crash: SEGV: caused by a WRITE memory access"}},
		{"address", "mismatch.cc", "", 1, []string{
			"alloc-dealloc-mismatch invalid-free critical main: alloc-dealloc-mismatch (operator new [] vs operator delete), 0 bytes inside of 28-byte region",
		}},
		{"address", "leak.c", "", 1, []string{
			"Direct leak leak error make: Direct leak of 8 bytes in 1 block, 8 bytes in 1",
			"Indirect leak leak warning make: Indirect leak of 8 bytes in 1 block, 8 bytes in 1",
		}},
		{"leak", "leak.c", "", 23, []string{
			"Direct leak leak error make: Direct leak of 8 bytes in 1 block, 8 bytes in 1",
			"Indirect leak leak warning make: Indirect leak of 8 bytes in 1 block, 8 bytes in 1",
		}},
		{"leak", "leak.c", "max_leaks=1", 23, []string{
			"Direct leak leak error make: Direct leak of 8 bytes in 1 block, 8 bytes in 1",
			"broken: LeakSanitizer found 16 bytes in 2 blocks, of which 8 bytes in 1 block are here",
		}},
		{"leak", "leak.c", "suppressions=SUPPRESSIONS", 0, nil},
		{"leak", "crash.c", "", 23, []string{"SEGV invalid-access critical crash: SEGV: caused by a WRITE memory access"}},
		{"thread", "race.c", "", 66, []string{
			"data race data-race error count: data race: read in count, previous write in count",
			"lock-order-inversion (potential deadlock) lock-misuse error forwards: lock-order-inversion (potential deadlock)",
		}},
		{"undefined", "undefined.c", "print_stacktrace=1", 0, []string{
			"signed-integer-overflow undefined-behavior error add: signed integer overflow: 1 + 2147483647 cannot be represented in type 'int'",
			"shift-exponent undefined-behavior error shift: shift exponent 40 is too large for 32-bit type 'int'",
			"bounds out-of-bounds error behind: index 3 out of bounds for type 'int [3]'",
			"object-size out-of-bounds error behind: load of address … with insufficient space for an object of type 'int'",
		}},
	}
	for _, tt := range tests {
		t.Run(strings.TrimSpace(tt.sanitizer+" "+tt.source+" "+tt.options), func(t *testing.T) {
			t.Parallel()
			log, status := sanitized(t, tt.sanitizer, tt.source, tt.options)
			if status != tt.status {
				t.Errorf("exit status %d, want %d", status, tt.status)
			}
			if diff := cmp.Diff(tt.want, describe(readString(t, string(log)))); diff != "" {
				t.Errorf("-want +got:\n%s\n%s", diff, log)
			}
		})
	}
}

// TestSanitizerTruncated cuts a real report after each line and within most: none
// of the beginnings passes, and up to the SUMMARY all are broken.
func TestSanitizerTruncated(t *testing.T) {
	for _, tt := range []struct{ sanitizer, source, end string }{
		{"address", "access.c", "SUMMARY: "},
		{"address", "leak.c", "SUMMARY: "},
		{"thread", "race.c", "ThreadSanitizer: reported 2 warnings"},
	} {
		t.Run(tt.sanitizer+" "+tt.source, func(t *testing.T) {
			t.Parallel()
			log, _ := sanitized(t, tt.sanitizer, tt.source, "")
			whole := strings.Index(string(log), tt.end)
			if whole < 0 {
				t.Fatalf("no %q:\n%s", tt.end, log)
			}
			total := readString(t, string(log)).Total
			for n := range log {
				if n > 0 && log[n-1] != '\n' && n%31 != 0 {
					continue
				}
				r := readString(t, string(log[:n]))
				if len(r.Broken) == 0 && r.Total == 0 {
					t.Fatalf("%d bytes pass:\n%s", n, log[:n])
				}
				if n < whole && len(r.Broken) == 0 && tt.sanitizer != "thread" {
					t.Fatalf("%d bytes are whole:\n%s", n, log[:n])
				}
				if len(r.Broken) == 0 && r.Total != total && tt.sanitizer != "thread" {
					t.Fatalf("%d bytes are whole with %d findings of %d", n, r.Total, total)
				}
			}
		})
	}
}

// sanitized compiles a program with a sanitizer and runs it: what it writes, and
// how it exits.
func sanitized(t *testing.T, sanitizer, source, options string) (log []byte, status int) {
	t.Helper()
	dir := t.TempDir()
	if options == "suppressions=SUPPRESSIONS" {
		name := filepath.Join(dir, "suppressions")
		if err := os.WriteFile(name, []byte("leak:make\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		options = "suppressions=" + name
	}
	cmd := exec.Command(compileSanitized(t, dir, sanitizer, source))
	cmd.Env = append(os.Environ(), "ASAN_OPTIONS="+options, "LSAN_OPTIONS="+options, "TSAN_OPTIONS="+options, "UBSAN_OPTIONS="+options)
	log, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return log, cmd.ProcessState.ExitCode()
}

// compileSanitized compiles with -fsanitize, if the compiler's libraries are here.
func compileSanitized(t *testing.T, dir, sanitizer, source string) string {
	t.Helper()
	for _, compiler := range []string{"gcc", "g++"} {
		if _, err := exec.LookPath(compiler); err != nil {
			t.Skip("not here: ", err)
		}
	}
	return compile(t, dir, source, "-fsanitize="+sanitizer)
}
