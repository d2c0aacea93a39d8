package gate

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const goRaceReport = "==================\nWARNING: DATA RACE\nWrite at 0x00c0 by goroutine 8:\n  example.com/shop.add()\n      /src/cart.go:4 +0x94\n\n" +
	"Previous read at 0x00c0 by main goroutine:\n  [failed to restore the stack]\n\nGoroutine 8 (running) created at:\n  example.com/shop.start()\n      /src/cart.go:9 +0x7b\n==================\n"

const goStackText = "\ngoroutine 7 [running]:\nexample.com/shop.set(...)\n\t/src/cart.go:7\nexample.com/shop.TestSet(0xc0?)\n\t/src/cart_test.go:11 +0x45\ncreated by testing.(*T).Run in goroutine 1\n\t/usr/local/go/src/testing/testing.go:2101 +0xb13\n\ngoroutine 1 [chan receive]:\nmain.main()\n\t_testmain.go:48 +0x165\n"

// TestGoTestText: what go test writes for people when things go wrong.
func TestGoTestText(t *testing.T) {
	const race = "go-race DATA RACE example.com/shop.add: data race: write in example.com/shop.add"
	tests := []struct {
		name string
		text string
		want []string
		ran  int
	}{
		{"passes", "ok  \texample.com/shop\t0.010s\n", nil, 0},
		{"passes, cached", "?   \texample.com/shop/cmd\t[no test files]\nok  \texample.com/shop\t(cached)\n", nil, 0},
		{"no test files", "?   \texample.com/shop\t[no test files]\n", []string{"broken: go test ran no test"}, 0},
		{"no tests to run", "testing: warning: no tests to run\nPASS\nok  \texample.com/shop\t0.010s [no tests to run]\n", []string{"broken: go test ran no test"}, 0},
		{"chatter of 80 KB before", strings.Repeat("chatter\n", 10_000) + "ok  \texample.com/shop\t0.010s\n", nil, 0},
		{"glued to what the program wrote", "total: 7--- FAIL: TestSum (0.00s)\n    a_test.go:7: no\nFAIL\nFAIL\texample.com/shop\t0.010s\n", []string{"go-test FAIL example.com/shop.TestSum: TestSum: no"}, 1},
		{"of an indented log", "=== RUN   TestSum\n    a_test.go:7: \n        \tError Trace:\t/src/a_test.go:7\n        \tError:      \tNot equal: \n--- FAIL: TestSum (0.00s)\nFAIL\nFAIL\texample.com/shop\t0.010s\n",
			[]string{"go-test FAIL example.com/shop.TestSum: TestSum: Error: Not equal:"}, 1},
		{"a test binary", "--- FAIL: TestSum (0.00s)\n    a_test.go:7: no\nFAIL\n", []string{"go-test FAIL TestSum: TestSum: no"}, 1},
		{"a test binary that passes", "=== RUN   TestSum\n--- PASS: TestSum (0.00s)\nPASS\n", nil, 1},
		{"cut off", "=== RUN   TestSum\n--- PASS: TestSum (0.00s)\n=== RUN   TestHang\n", []string{"broken: the text ends before the result of the package, while TestHang runs"}, 1},
		{"cut off after a failure", "--- FAIL: TestSum (0.00s)\n    a_test.go:7: no\n", []string{"go-test FAIL TestSum: TestSum: no", "broken: the text ends before the result of the package"}, 1},
		{"passes without a result", "=== RUN   TestSum\nPASS\nok  \texample.com/shop\t0.010s\n", []string{"broken: example.com/shop passed, and TestSum has no result"}, 0},
		{"does not build", "# example.com/shop [example.com/shop.test]\n./a_test.go:3:27: undefined: nope\n./a_test.go:4:1: too many errors\nFAIL\texample.com/shop [build failed]\nFAIL\n",
			[]string{"go-test build failed ./a_test.go:3:27: example.com/shop: undefined: nope", "broken: example.com/shop was not built, none of its tests ran: undefined: nope"}, 0},
		{"does not set up", "FAIL\texample.com/shop [setup failed]\nFAIL\n",
			[]string{"go-test setup failed : example.com/shop", "broken: example.com/shop was not built, none of its tests ran: setup failed"}, 0},
		{"killed", "signal: killed\nFAIL\texample.com/shop\t3.010s\nFAIL\n",
			[]string{"go-test package failed : example.com/shop failed, and no test of it says why: signal: killed", "broken: example.com/shop was killed before its end: signal: killed"}, 0},
		{"segmentation fault", "signal: segmentation fault (core dumped)\nFAIL\texample.com/shop\t3.010s\nFAIL\n",
			[]string{"go-test package failed : example.com/shop failed, and no test of it says why: signal: segmentation fault (core dumped)"}, 0},
		{"race without a report", "--- FAIL: TestSum (0.00s)\n    testing.go:1712: race detected during execution of test\nFAIL\nFAIL\texample.com/shop\t0.010s\n",
			[]string{"go-test FAIL example.com/shop.TestSum: TestSum"}, 1},
		{"race and a failure of its own", goRaceReport + "--- FAIL: TestSum (0.00s)\n    a_test.go:7: no\n    testing.go:1712: race detected during execution of test\nFAIL\nFAIL\texample.com/shop\t0.010s\n",
			[]string{race + " (TestSum)", "go-test FAIL example.com/shop.TestSum: TestSum: no"}, 1},
		{"race with chatter between", strings.Replace(goRaceReport, "\n\n", "\nchatter\n\n", 1) + "--- FAIL: TestSum (0.00s)\n    testing.go:1712: race detected during execution of test\nFAIL\nFAIL\texample.com/shop\t0.010s\n", []string{race + " (TestSum)"}, 1},
		{"race, cut off", strings.TrimSuffix(goRaceReport, ruled+"\n") + "FAIL\texample.com/shop\t0.010s\n", []string{race, "broken: the report of a data race is cut off"}, 0},
		{"race of a program", goRaceReport + "Found 1 data race(s)\nexit status 66\n", []string{race}, 0},
		{"leak of a package", "PASS\ngoleak: Errors on successful test run: found unexpected goroutines:\n[Goroutine 7 in state select (no cases), with example.com/shop.wait on top of the stack:\nexample.com/shop.wait()\n\t/src/a.go:3 +0x1d\ncreated by example.com/shop.start in goroutine 1\n\t/src/a.go:9 +0xa5\n]\nexit status 1\nFAIL\texample.com/shop\t0.448s\n",
			[]string{"goleak unexpected goroutine example.com/shop.wait: goroutine left behind in state select (no cases), in example.com/shop.wait, created by example.com/shop.start"}, 0},
		{"leak, cut off", "--- FAIL: TestSum (0.00s)\n    a_test.go:7: found unexpected goroutines:\n        [Goroutine 7 in state sleep, with time.Sleep on top of the stack:\nFAIL\nFAIL\texample.com/shop\t0.448s\n",
			[]string{"goleak unexpected goroutine : goroutine left behind in state sleep, in time.Sleep (TestSum)", "broken: the list of unexpected goroutines is cut off"}, 1},
		{"a panic that was expected", "=== RUN   TestSum\npanic: on purpose\n" + goStackText + "--- PASS: TestSum (0.00s)\nPASS\nok  \texample.com/shop\t0.010s\n", nil, 1},
		{"a panic", "--- FAIL: TestSet (0.00s)\npanic: no map\n\tpanic: again\n[signal SIGSEGV: segmentation violation code=0x1 addr=0x0 pc=0x1]\n" + goStackText + "FAIL\texample.com/shop\t0.010s\nFAIL\n",
			[]string{"go-test panic example.com/shop.set: panic: no map (TestSet)"}, 1},
		{"a fatal error of a program", "fatal error: all goroutines are asleep - deadlock!\n" + goStackText + "exit status 2\n",
			[]string{"go-test fatal error example.com/shop.set: fatal error: all goroutines are asleep - deadlock! (TestSet)"}, 0},
		{"a panic after the tests", "=== RUN   TestA\n--- PASS: TestA (0.00s)\nPASS\npanic: late\n" + goStackText, []string{"go-test panic example.com/shop.set: panic: late (TestSet)"}, 1},
		{"killed after the tests", "=== RUN   TestA\n--- PASS: TestA (0.00s)\nPASS\nsignal: killed\n",
			[]string{"go-test package failed : the package failed, and no test of it says why: signal: killed", "broken: the package was killed before its end: signal: killed"}, 1},
		{"a report that a test logs", "=== RUN   TestA\n    a_test.go:7: the program said:\n        " + strings.ReplaceAll(asanReport(1), "\n", "\n        ") + "\n--- PASS: TestA (0.00s)\nPASS\nok  \texample.com/shop\t0.010s\n", nil, 1},
		{"words of a panic", "panic: at the disco\nok  \texample.com/shop\t0.010s\n", nil, 0},
		{"benchmark", "goos: linux\nBenchmarkSum-8   \t1000000\t 1.0 ns/op\nPASS\nok  \texample.com/shop\t1.010s\n", nil, 0},
		{"sanitizer within", "=== RUN   TestC\n" + asanReport(3) + "exit status 1\nFAIL\texample.com/shop\t0.010s\n", []string{"asan heap-buffer-overflow f: heap-buffer-overflow: WRITE of size 1"}, 0},
		{"of Windows", "--- FAIL: TestSum (0.00s)\r\n    a_test.go:7: no\r\nFAIL\r\nFAIL\texample.com/shop\t0.010s\r\n", []string{"go-test FAIL example.com/shop.TestSum: TestSum: no"}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := readString(t, tt.text)
			if diff := cmp.Diff(tt.want, tell(r)); diff != "" || r.Tests != tt.ran {
				t.Errorf("%d tests ran, want %d; -want +got:\n%s", r.Tests, tt.ran, diff)
			}
		})
	}
}

// events makes lines of go test -json: "run TestA", "output TestA text",
// "fail TestA", and of the package, whose name is left out, "end fail".
func events(lines ...string) string {
	var b strings.Builder
	for _, line := range lines {
		action, rest, _ := strings.Cut(line, " ")
		e := map[string]any{"Package": "example.com/shop"}
		switch action {
		case "raw":
			b.WriteString(rest)
			continue
		case "end":
			action = rest
		case "output":
			e["Test"], e["Output"], _ = strings.Cut(rest, " ")
		default:
			e["Test"] = rest
		}
		data, _ := json.Marshal(e)
		b.WriteString(`{"Action":"` + action + `",` + string(data[1:]) + "\n")
	}
	return b.String()
}

func TestGoTestJSON(t *testing.T) {
	failed := []string{"go-test FAIL example.com/shop.TestA: TestA: no"}
	race := "go-race DATA RACE example.com/shop.add: data race: write in example.com/shop.add (TestA)"
	var raceEvents []string
	for line := range strings.Lines(goRaceReport) {
		raceEvents = append(raceEvents, "output TestA "+line)
	}
	const (
		building = `{"ImportPath":"example.com/shop [example.com/shop.test]","Action":"build-output","Output":"# example.com/shop\nb.go:1:2: undefined: x\n"}` + "\n"
		unbuilt  = `{"Action":"fail","Package":"example.com/shop","FailedBuild":"example.com/shop [example.com/shop.test]"}` + "\n"
	)
	tests := []struct {
		name   string
		stream string
		want   []string
	}{
		{"fails", events("start ", "run TestA", "output TestA     a_test.go:7: no\n", "fail TestA", "end fail"), failed},
		{"a line in two events", events("run TestA", "output TestA     a_test.go:7:", "output TestA  no\n", "fail TestA", "end fail"), failed},
		{"noise", "go: downloading x v1\n" + events("run TestA", "raw warning: no cgo\n", "output TestA     a_test.go:7: no\n", "fail TestA", "raw killed by hand", "end fail"), failed},
		{"noise that is JSON", events("run TestA", "raw {\"level\":\"info\"}\n", "pass TestA", "end pass"), nil},
		{"a broken event", events("run TestA", "pass TestA", `raw {"Action":"output","Output":7}`+"\n", "end pass"),
			[]string{"broken: no event of go test: json: cannot unmarshal number into Go struct field goEvent.Output of type string"}},
		{"stamped", stamp("2026-11-23T00:12:57.123456Z ", events("run TestA", "output TestA     a_test.go:7: no\n", "fail TestA", "end fail")), failed},
		{"parents", events("run TestA", "run TestA/b", "run TestA/b/c", "output TestA/b/c         a_test.go:9: no\n", "fail TestA/b/c", "fail TestA/b", "fail TestA", "end fail"),
			[]string{"go-test FAIL example.com/shop.TestA/b/c: TestA/b/c: no"}},
		{"a race", events(append(append([]string{"run TestA"}, raceEvents...), "output TestA     testing.go:1712: race detected during execution of test\n", "fail TestA", "end fail")...), []string{race}},
		{"ends within a package", events("start ", "run TestA"), []string{"broken: the stream ends before the result of example.com/shop, while TestA runs"}},
		{"ends within an event", strings.TrimSuffix(events("run TestA", "pass TestA", "end pass"), "\"}\n"),
			[]string{"broken: the stream ends within an event", "broken: the stream ends before the result of example.com/shop"}},
		{"fails and says nothing", events("run TestA", "pass TestA", "end fail"), []string{"go-test package failed : example.com/shop failed, and no test of it says why"}},
		{"fails without an end of a test", events("run TestA", "end fail"), []string{"go-test package failed : example.com/shop failed, and no test of it says why"}},
		{"passes without an end of a test", events("run TestA", "end pass"), []string{"broken: example.com/shop passed, and TestA has no result"}},
		{"benchmark without an end", events("run BenchmarkA", "run TestB", "pass TestB", "end pass"), nil},
		{"skips all", events("run TestA", "skip TestA", "end pass"), nil},
		{"no test", events("start ", "end skip"), []string{"broken: go test ran no test"}},
		{"does not build", building + events("start ") + unbuilt,
			[]string{"go-test build failed b.go:1:2: example.com/shop: undefined: x", "broken: example.com/shop was not built, none of its tests ran: undefined: x"}},
		{"does not build, before Go 1.24", "# example.com/shop [example.com/shop.test]\n./b.go:1:2: undefined: x\n" + events("start ", "output  FAIL\texample.com/shop [build failed]\n", "end fail"),
			[]string{"go-test build failed ./b.go:1:2: example.com/shop: undefined: x", "broken: example.com/shop was not built, none of its tests ran: undefined: x"}},
		{"only a build", building, []string{"broken: go test tells of no package"}},
		{"attributes", events("run TestA", "attr TestA", "artifacts TestA", "pause TestA", "cont TestA", "pass TestA", "end pass"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := readString(t, tt.stream)
			if r.Format != goTestJSON.Name {
				t.Errorf("format %q", r.Format)
			}
			if diff := cmp.Diff(tt.want, tell(r)); diff != "" {
				t.Errorf("-want +got:\n%s\n%s", diff, tt.stream)
			}
		})
	}
}
