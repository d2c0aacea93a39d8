package gate

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// tell tells a report in lines: findings, sorted, and reasons, without the
// numbers of their lines.
func tell(r Report) []string {
	told := tellTests(r)
	if r.Suppressed > 0 {
		told = append(told, fmt.Sprint("suppressed: ", r.Suppressed))
	}
	for _, why := range r.Broken {
		told = append(told, "broken: "+lineNumber.ReplaceAllString(why, ""))
	}
	return told
}

// logs are beginnings and ends, oddities and misfortunes of logs.
var logs = map[string]string{
	"clang": "" +
		"=================================================================\n" +
		"==12==ERROR: AddressSanitizer: heap-use-after-free on address 0x602000000010 at pc 0x0000004f8f5b bp 0x7ffd sp 0x7ffd\n" +
		"READ of size 4 at 0x602000000010 thread T1 (worker)\n" +
		"    #0 0x4f8f5a in (anonymous namespace)::Cart::total() const /src/my shop/cart.cc:12:9\n" +
		"    #1 0x7f00aa in std::thread::_State_impl<std::thread::_Invoker<std::tuple<void (*)(int), int> > >::_M_run() cart.h:40:3\n" +
		"    #2 0x4f8fff  (/src/a.out+0x4f8fff) (BuildId: 00ffee)\n" +
		"    #3 0x7f00bb in start_thread nptl/pthread_create.c:442:8\n\n" +
		"0x602000000010 is located 0 bytes inside of 4-byte region [0x602000000010,0x602000000014)\n" +
		"freed by thread T0 here:\n" +
		"    #0 0x4c3c42 in free (/src/a.out+0x4c3c42) (BuildId: 00ffee)\n\n" +
		"Thread T1 (worker) created by T0 here:\n" +
		"    #0 0x4a in pthread_create (/src/a.out+0x4a)\n\n" +
		"SUMMARY: AddressSanitizer: heap-use-after-free /src/my shop/cart.cc:12:9 in (anonymous namespace)::Cart::total() const\n" +
		"Shadow bytes around the buggy address:\n==12==ABORTING\n",
	"glued":             "the total is ==7==ERROR: AddressSanitizer: SEGV on unknown address 0x000000000000 (pc 0x1 bp 0x2 sp 0x3 T0)\n    #0 0x1 in f a.c:3\nSUMMARY: AddressSanitizer: SEGV a.c:3 in f\n",
	"goes on":           asanReport(1) + "and on\n" + asanReport(2),
	"interrupted":       strings.Split(asanReport(1), "SUMMARY")[0] + asanReport(2),
	"stamped":           stamp("2026-11-23T00:12:57.1234567Z ", asanReport(1)),
	"stamped by GitLab": stamp("2026-11-23T00:12:57.123456Z 01E ", asanReport(1)),
	"coloured":          "\x1b[1m\x1b[31m==1==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x1234 at pc 0x1\x1b[1m\x1b[0m\n\x1b[1m\x1b[34mREAD of size 1 at 0x1234 thread T0\x1b[1m\x1b[0m\n    #0 0x1 in f a.c:3\nSUMMARY: AddressSanitizer: heap-buffer-overflow a.c:3 in f\n",
	"only dying words":  "starting\nAddressSanitizer:DEADLYSIGNAL\n",
	"dies of itself":    "==1==ERROR: AddressSanitizer: SEGV on unknown address 0x1234 (pc 0x1)\n    #0 0x1 in f a.c:3\nAddressSanitizer:DEADLYSIGNAL\nAddressSanitizer: nested bug in the same thread, aborting.\n",
	"tail":              "    #1 0x1 in main a.c:9\nSUMMARY: AddressSanitizer: heap-buffer-overflow a.c:3 in f\n==1==ABORTING\n",
	"no memory":         "==1==ERROR: AddressSanitizer failed to allocate 0x1000 (4096) bytes of LargeMmapAllocator (error code: 12)\n",
	"no leaks told":     "==5==LeakSanitizer has encountered a fatal error.\n==5==HINT: LeakSanitizer does not work under ptrace (strace, gdb, etc)\n",
	"not preloaded":     "==5==ASan runtime does not come first in initial library list; you should either link runtime to your application or manually preload it with LD_PRELOAD.\n",
	"msan":              "==3==WARNING: MemorySanitizer: use-of-uninitialized-value\n    #0 0x4a in decide /src/a.c:5:7\n\n  Uninitialized value was created by an allocation of 'x' in the stack frame\n    #0 0x4b in main /src/a.c:9:3\n\nSUMMARY: MemorySanitizer: use-of-uninitialized-value /src/a.c:5:7 in decide\nExiting\n",
	"bad free":          "==3==ERROR: AddressSanitizer: attempting free on address which was not malloc()-ed: 0x7ffd1234 in thread T0\n    #0 0x1 in f a.c:3\nSUMMARY: AddressSanitizer: bad-free a.c:3 in f\n",
	"tsan counts":       tsanReport + "ThreadSanitizer: reported 2 warnings\n",
	"tsan killed":       tsanReport,
	"tsan cut":          strings.Split(tsanReport, "SUMMARY")[0],
	"tsan suppressed":   "ThreadSanitizer: Matched 3 suppressions (pid=9):\n3 race:f\n",
	"tsan fatal":        "FATAL: ThreadSanitizer: unexpected memory mapping 0x5600-0x5601\n",
	"lsan suppressed":   "-----------------------------------------------------\nSuppressions used:\n  count      bytes template\n      2         16 make\n      1          8 take\n-----------------------------------------------------\n\n",
	"lsan both":         "==1==ERROR: LeakSanitizer: detected memory leaks\n\nDirect leak of 8 byte(s) in 2 object(s) allocated from:\n    #0 0x1 in f a.c:3\n\nSuppressions used:\n  count      bytes template\n      1          8 take\n-----------------------------------------------------\n\nSUMMARY: LeakSanitizer: 8 byte(s) leaked in 2 allocation(s).\n",
	"lsan lost lines":   "==1==ERROR: LeakSanitizer: detected memory leaks\n\nDirect leak of 8 byte(s) in 2 object(s) allocated from:\n    #0 0x1 in f a.c:3\n\nSUMMARY: AddressSanitizer: 24 byte(s) leaked in 3 allocation(s).\n",
	"ubsan glued":       "total: /src/my shop/a.c:3:5: runtime error: load of null pointer of type 'int'\n",
	"ubsan minimal":     "ubsan: add-overflow by 0x0000004f\n",
	"ubsan summary":     "a.c:3:5: runtime error: division by zero\nSUMMARY: UndefinedBehaviorSanitizer: undefined-behavior a.c:3:5 in \n",
	"ubsan no place":    "begin\n<unknown>: runtime error: member call on misaligned address 0x7ffd1234 for type 'T', which requires 8 byte alignment\n",
	"valgrind":          "tests begin\n==123== Memcheck, a memory error detector\n==123== ERROR SUMMARY: 0 errors from 0 contexts\n",
	"words":             "AddressSanitizer is what we would like to use\nruntime error: none\npanic: not at all\nPASS\nthe tests are ok\n",
}

func asanReport(pid int) string {
	return fmt.Sprintf("==%d==ERROR: AddressSanitizer: heap-buffer-overflow on address 0x1234 at pc 0x1 bp 0x2 sp 0x3\nWRITE of size 1 at 0x1234 thread T0\n    #0 0x1 in f a.c:%d\n\nSUMMARY: AddressSanitizer: heap-buffer-overflow a.c:%d in f\n", pid, pid, pid)
}

const tsanReport = "==================\nWARNING: ThreadSanitizer: data race (pid=9)\n  Write of size 4 at 0x1234 by thread T2 (mutexes: write M1):\n    #0 f a.c:3 (a.out+0x12)\n\n" +
	"  Previous atomic read of size 4 at 0x1234 by main thread:\n    [failed to restore the stack]\n\n" +
	"  Thread T2 (tid=1, running) created by main thread at:\n    #0 pthread_create <null> (libtsan.so.2+0x5e)\n    #1 <null> <null> (a.out+0x99)\n\nSUMMARY: ThreadSanitizer: data race a.c:3 in f\n==================\n"

func stamp(with, text string) string {
	return with + strings.ReplaceAll(strings.TrimSuffix(text, "\n"), "\n", "\n"+with) + "\n"
}

func TestSanitizerLogs(t *testing.T) {
	const (
		overflow = "asan heap-buffer-overflow f: heap-buffer-overflow: WRITE of size 1"
		cut      = "broken: the report of AddressSanitizer is cut off: it has no SUMMARY"
	)
	for name, want := range map[string][]string{
		"clang":             {"asan heap-use-after-free (anonymous namespace)::Cart::total() const: heap-use-after-free: READ of size 4, 0 bytes inside of 4-byte region"},
		"glued":             {"asan SEGV f: SEGV"},
		"goes on":           {overflow, overflow},
		"interrupted":       {overflow, overflow, cut},
		"stamped":           {overflow},
		"stamped by GitLab": {overflow},
		"coloured":          {"asan heap-buffer-overflow f: heap-buffer-overflow: READ of size 1"},
		"only dying words":  {`broken: "AddressSanitizer:DEADLYSIGNAL", and the report of the crash is missing`},
		"dies of itself": {"asan SEGV f: SEGV",
			"broken: AddressSanitizer:DEADLYSIGNAL, within a report of AddressSanitizer",
			"broken: AddressSanitizer: nested bug in the same thread, aborting., within a report of AddressSanitizer", cut},
		"tail":            {"broken: the end of a report without its beginning: SUMMARY: AddressSanitizer: heap-buffer-overflow a.c:3 in f"},
		"no memory":       {"broken: ==1==ERROR: AddressSanitizer failed to allocate 0x1000 (4096) bytes of LargeMmapAllocator (error code: 12)"},
		"no leaks told":   {"broken: ==5==LeakSanitizer has encountered a fatal error."},
		"not preloaded":   {"broken: " + strings.TrimSpace(logs["not preloaded"])},
		"msan":            {"msan use-of-uninitialized-value decide: use-of-uninitialized-value"},
		"bad free":        {"asan bad-free f: bad-free: free on address which was not malloc()-ed"},
		"tsan counts":     {"tsan data race f: data race: write in f", "broken: ThreadSanitizer reported 2 warnings, of which 1 are here"},
		"tsan killed":     {"tsan data race f: data race: write in f"},
		"tsan cut":        {"tsan data race f: data race: write in f", "broken: the report of ThreadSanitizer is cut off: it has no SUMMARY"},
		"tsan suppressed": {"suppressed: 3"},
		"tsan fatal":      {"broken: FATAL: ThreadSanitizer: unexpected memory mapping 0x5600-0x5601"},
		"lsan suppressed": {"suppressed: 3"},
		"lsan both":       {"lsan Direct leak f: Direct leak of 8 bytes in 2 blocks", "suppressed: 1"},
		"lsan lost lines": {"lsan Direct leak f: Direct leak of 8 bytes in 2 blocks", "broken: LeakSanitizer found 24 bytes in 3 blocks, of which 8 bytes in 2 blocks are here"},
		"ubsan glued":     {"ubsan null /src/my shop/a.c:3:5: load of null pointer of type 'int'"},
		"ubsan minimal":   {"ubsan add-overflow : add-overflow"},
		"ubsan summary":   {"ubsan integer-divide-by-zero a.c:3:5: division by zero"},
		"ubsan no place":  {"ubsan alignment : member call on misaligned address … for type 'T', which requires 8 byte alignment"},
		"valgrind":        {"broken: Valgrind's own text begins here, which is not read: --xml=yes --xml-file=NAME.%p.xml writes what can be judged"},
		"words":           {"broken: " + silentText},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(want, tell(readString(t, logs[name]))); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestSanitizerFrames: what is in a frame of clang, and what is not.
func TestSanitizerFrames(t *testing.T) {
	want := []Stack{
		{Frames: []Frame{
			{Function: "(anonymous namespace)::Cart::total() const", File: "/src/my shop/cart.cc", Line: 12, Column: 9},
			{Function: "std::thread::_State_impl<std::thread::_Invoker<std::tuple<void (*)(int), int> > >::_M_run()", File: "cart.h", Line: 40, Column: 3},
			{Object: "/src/a.out"},
			{Function: "start_thread", File: "nptl/pthread_create.c", Line: 442, Column: 8},
		}},
		{Title: "freed by thread T0", Frames: []Frame{{Function: "free", Object: "/src/a.out"}}},
		{Title: "thread T1 (worker) created by T0", Frames: []Frame{{Function: "pthread_create", Object: "/src/a.out"}}},
	}
	r := readString(t, logs["clang"])
	if diff := cmp.Diff(want, r.Findings[0].Stacks); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	want = []Stack{
		{Frames: []Frame{{Function: "f", File: "a.c", Line: 3, Object: "a.out"}}},
		{Title: "thread T2 (tid=1, running) created by main thread at", Frames: []Frame{{Function: "pthread_create", Object: "libtsan.so.2"}, {Object: "a.out"}}},
	}
	r = readString(t, logs["tsan killed"])
	if diff := cmp.Diff(want, r.Findings[0].Stacks); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
