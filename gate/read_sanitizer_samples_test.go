package gate

import "testing"

func TestSanitizerSamples(t *testing.T) {
	text := text.Name
	proves := "that proves nothing"
	readSamples(t, "sanitizer-and-go-test-text", []sample{
		{file: "EXITCODES.json", broken: "JSON", why: "an object of numbers is no report"},
		{file: "PROVENANCE.md", format: text, broken: proves, why: "a table for people names its tools, and is no report of them"},
		{file: "asan-clean.txt", format: text, broken: proves, why: "the program's own 'ok': a run that was killed, or built without ASan, looks the same"},
		{file: "asan-hof.txt", format: text, total: 1, why: "one ERROR up to ABORTING"},
		{file: "asan-log_path.2186", format: text, total: 1, why: "the same as asan-uaf.txt by way of log_path"},
		{file: "asan-sbo.txt", format: text, total: 1, why: "a frame is told between the stack and the HINT: no second finding"},
		{file: "asan-segv.txt", format: text, total: 1, why: "DEADLYSIGNAL is followed by its report"},
		{file: "asan-uaf.txt", format: text, total: 1, why: "three stacks, one finding"},
		{file: "go-goleak.txt", format: text, total: 2, tests: 1, why: "two goroutines; the test failed for them alone"},
		{file: "go-test-buildfail.txt", format: text, total: 1, broken: "was not built", why: "one error of the compiler; no test ran"},
		{file: "go-test-json.ndjson", format: "go test -json", total: 1, tests: 4, skipped: 1, why: "TestFail/sub/case#1; its parent failed by it; TestRace passed (no -race)"},
		{file: "go-test-panic.txt", format: text, total: 1, tests: 1, why: "the panic of TestPanic, which failed by it"},
		{file: "go-test-race.txt", format: text, total: 5, tests: 4, why: "2 races (TestRace failed by them), the subtest, a panic, a test that timed out"},
		{file: "go-vet-json.txt", broken: "go vet -json", why: "refused by name: its last package did not compile, and go vet says that in no JSON"},
		{file: "lsan-leaks-exitcode0.txt", format: text, total: 1, why: "one direct leak, whatever the exit code"},
		{file: "lsan-leaks.txt", format: text, total: 1, why: "one direct leak under ASan"},
		{file: "ubsan-recover.txt", format: text, total: 3, why: "three lines of 'runtime error', the last with a note; the exit status was 0"},
	})
}
