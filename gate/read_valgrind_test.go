package gate

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestValgrindFinding reads all parts of errors.
func TestValgrindFinding(t *testing.T) {
	r := readString(t, `<valgrindoutput><protocoltool>drd</protocoltool><tool>drd</tool>
<status><state>RUNNING</state></status>
<error><unique>0x0</unique><tid>3</tid><threadname>worker</threadname><kind>MutexErr</kind>
 <what>Mutex not locked: mutex 0x0010c0c8, recursion count 0, owner 0.</what>
 <stack><frame><ip>0x1</ip><obj>/lib/vg.so</obj></frame><frame><ip>0x2</ip><fn>f(int&amp;)</fn><dir>/src/</dir><file>a.cc</file><line>7</line></frame></stack>
 <first_observed_at><what>mutex</what><address>0x10c0c8</address><stack><frame><ip>0x3</ip><fn>main</fn><file>/abs/b.c</file><line>1,234</line></frame></stack></first_observed_at>
 <auxwhat>Address 0x4a40068 is 0 bytes inside data symbol "lock"</auxwhat>
 <xauxwhat><text>declared at b.c:3</text><file>b.c</file><line>3</line></xauxwhat>
 <suppression><sname>x</sname><rawtext><![CDATA[ { <error> } ]]></rawtext></suppression>
</error>
<status><state>FINISHED</state></status>
<errorcounts><pair><count>2</count><unique>0x0</unique></pair></errorcounts>
<suppcounts><pair><count>1,000</count><name>a</name></pair><pair><count>3</count><name>b</name></pair></suppcounts>
</valgrindoutput>`)
	want := []Finding{{
		Tool: "drd", Kind: "MutexErr", Class: LockMisuse, Severity: Error, Report: "report", Count: 1,
		Message: "Mutex not locked: mutex …, recursion count 0, owner 0: 0 bytes inside data symbol \"lock\"",
		Stacks: []Stack{
			{Frames: []Frame{{Object: "/lib/vg.so"}, {Function: "f(int&)", File: "/src/a.cc", Line: 7}}},
			{Title: "mutex first observed", Frames: []Frame{{Function: "main", File: "/abs/b.c", Line: 1234}}},
		},
	}}
	if diff := cmp.Diff(want, r.Findings); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if r.Suppressed != 1003 || r.Tool != "drd" || len(r.Broken) > 0 {
		t.Errorf("%d suppressed, tool %q, broken %q", r.Suppressed, r.Tool, r.Broken)
	}
}

// TestValgrindHidden: a report that was told to leave lost blocks out does not say
// that there are none.
func TestValgrindHidden(t *testing.T) {
	for arg, broken := range map[string]bool{
		"--show-leak-kinds=all": false, "--show-leak-kinds=possible,definite": false, "--leak-check=full": false,
		"--show-leak-kinds=none": true, "--show-leak-kinds=reachable,possible": true,
		"--show-leak-kinds=none</arg><arg>--show-leak-kinds=all":      false,
		"--show-leak-kinds=definite</arg><arg>--show-leak-kinds=none": true,
	} {
		r := readString(t, "<valgrindoutput><tool>memcheck</tool><args><vargv><arg>"+arg+"</arg></vargv></args><status><state>RUNNING</state></status>"+
			"<status><state>FINISHED</state></status></valgrindoutput>")
		if (len(r.Broken) > 0) != broken {
			t.Errorf("%s: broken: %q", arg, r.Broken)
		}
	}
}

func TestValgrindClass(t *testing.T) {
	tests := []struct {
		tool, kind, what, note string
		class                  Class
		severity               Severity
	}{
		{"memcheck", "InvalidRead", "", "0 bytes after a block of size 40 alloc'd", OutOfBounds, Error},
		{"memcheck", "InvalidRead", "", "4 bytes inside a block of size 8 alloc'd", OutOfBounds, Error},
		{"memcheck", "InvalidRead", "", "8 bytes inside a block of size 40 free'd", UseAfterFree, Error},
		{"memcheck", "InvalidRead", "", "8 bytes inside a recently re-allocated block of size 40 alloc'd", UseAfterFree, Error},
		{"memcheck", "InvalidWrite", "", "not stack'd, malloc'd or (recently) free'd", InvalidAccess, Critical},
		{"memcheck", "InvalidWrite", "", "on thread 1's stack", InvalidAccess, Critical},
		{"memcheck", "InvalidJump", "", "", InvalidAccess, Critical},
		{"memcheck", "SyscallParam", "Syscall param write(buf) points to uninitialised byte(s)", "0 bytes inside a block of size 8 alloc'd", Uninitialised, Error},
		{"memcheck", "SyscallParam", "Syscall param write(buf) points to unaddressable byte(s)", "0 bytes after a block of size 8 alloc'd", OutOfBounds, Error},
		{"memcheck", "MismatchedAllocateDeallocateSize", "", "", InvalidFree, Error},
		{"memcheck", "Overlap", "", "", UndefinedBehavior, Error},
		{"memcheck", "FishyValue", "", "", UndefinedBehavior, Error},
		{"memcheck", "ReallocSizeZero", "", "", UndefinedBehavior, Error},
		{"memcheck", "FdBadUse", "", "", UndefinedBehavior, Error},
		{"helgrind", "UnlockForeign", "", "", LockMisuse, Error},
		{"helgrind", "PthAPIerror", "", "", LockMisuse, Error},
		{"drd", "CondRaceErr", "", "", LockMisuse, Info},
		{"helgrind", "Misc", "pthread_cond_{signal,broadcast}: dubious: associated lock is not held by any thread", "", LockMisuse, Info},
		{"helgrind", "Misc", "Bug in libpthread: recursive write lock granted", "", LockMisuse, Error},
		{"drd", "FdNotClosed", "", "", DescriptorLeak, Error},
		{"memcheck", "SomethingNew", "", "", UndefinedBehavior, Error},
	}
	for _, tt := range tests {
		class, severity := valgrindClass(tt.tool, tt.kind, tt.what, tt.note)
		if class != tt.class || severity != tt.severity {
			t.Errorf("%s, %q: %s, %s; want %s, %s", tt.kind, tt.note, class, severity, tt.class, tt.severity)
		}
	}
}

// TestWithoutAddresses: what differs from run to run is not in a message.
func TestWithoutAddresses(t *testing.T) {
	for text, want := range map[string]string{
		"Invalid read of size 4": "Invalid read of size 4",
		"Address 0x4a40068 is 0 bytes after a block of size 40 alloc'd":     "0 bytes after a block of size 40 alloc'd",
		"Address 0x0 is not stack'd, malloc'd or (recently) free'd":         "not stack'd, malloc'd or (recently) free'd",
		"Possible data race during read of size 4 at 0x10C060 by thread #4": "Possible data race during read of size 4",
		"This conflicts with a previous write of size 4 by thread #3":       "This conflicts with a previous write of size 4",
		`Thread #4: lock order "0x10C080 before 0x10C0C0" violated`:         "lock order violated",
		"Lock at 0x1002383680 was first observed":                           "Lock was first observed",
		"Conflicting store by thread 2 at 0x0010c060 size 4":                "Conflicting store size 4",
		"Mutex still locked at thread exit: mutex 0x10c0c8, owner 2.":       "Mutex still locked at thread exit: mutex …, owner 2.",
		"Thread #2's call to pthread_join failed":                           "Thread's call to pthread_join failed",
	} {
		if got := withoutAddresses(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

// TestValgrindDescriptors: one that was open before the program was is not its
// own.
func TestValgrindDescriptors(t *testing.T) {
	const begin, end = "<valgrindoutput><tool>memcheck</tool><error><kind>FdNotClosed</kind><fd>5</fd><what>Open file descriptor 5: /tmp/x</what>", "</error><status><state>FINISHED</state></status></valgrindoutput>"
	for stack, want := range map[string]Severity{"": Info, "<stack><frame><fn>open</fn></frame></stack>": Error} {
		r := readString(t, begin+stack+end)
		if len(r.Findings) != 1 || r.Findings[0].Severity != want || r.Findings[0].Class != DescriptorLeak {
			t.Errorf("%q: %+v, want %s", stack, r.Findings, want)
		}
	}
}

// TestForkedChild: it counts what its parent told before the fork.
func TestForkedChild(t *testing.T) {
	const child = `<valgrindoutput><tool>memcheck</tool><status><state>FINISHED</state></status>
<errorcounts><pair><count>1</count><unique>0x7</unique></pair></errorcounts><error_summary><error_contexts>2</error_contexts></error_summary></valgrindoutput>`
	if r := readString(t, child); len(r.Broken) > 0 {
		t.Errorf("broken: %q", r.Broken)
	}
	if r := readString(t, strings.Replace(child, "<status>", "<status><state>RUNNING</state></status><status>", 1)); len(r.Broken) != 2 {
		t.Errorf("not forked, and broken: %q", r.Broken)
	}
}
