package gate

import "testing"

func TestValgrindSamples(t *testing.T) {
	const v = "valgrind"
	readSamples(t, "valgrind-xml", []sample{
		{file: "EXITCODES.json", broken: " ", why: "how the programs ended; no report"},
		{file: "PROVENANCE.md", broken: " ", why: "a table of the files"},
		{file: "gen-known.supp", broken: "suppressions for Valgrind", why: "what suppresses, not what is found"},
		{file: "sonar-cxx-valgrind-result-empty.xml", broken: "empty", why: "0 bytes"},

		{file: "gen-clean-no-errors.xml", format: v, why: "RUNNING, FINISHED, no error"},
		{file: "gen-fork-child-exec.xml", format: v, why: "a child that became another program, which leaks nothing"},
		{file: "cargo-valgrind-version6.xml", format: v, why: "protocol 6; 64,146 bytes are still reachable, which the default does not tell"},

		{file: "gen-errors-mixed.xml", format: v, total: 7, why: "write, read, condition, read of freed, free twice, write(2), free of 0x1234"},
		{file: "gen-cpp-mismatched-free-templates.xml", format: v, total: 6, why: "new[] with delete, two blocks lost and three within them"},
		{file: "gen-leaks-all.xml", format: v, total: 6, why: "two lost, two within them, one possibly, one reachable"},
		{file: "gen-leaks-default-kinds.xml", format: v, total: 3, why: "two lost, one possibly; errorcounts is empty"},
		{file: "gen-leaks-shown-but-not-errors.xml", format: v, total: 1, broken: "--show-leak-kinds=possible", why: "the program exits with 0, and has a leak; what is lost for sure was not to be shown"},
		{file: "gen-leaks-suppressed.xml", format: v, total: 3, why: "three more are suppressed, and stand in suppcounts alone"},
		{file: "gen-leaks-static-binary.xml", format: v, total: 10, why: "malloc cannot be watched: no leak, and ten uses of uninitialised values"},
		{file: "gen-many-270-errors.xml", format: v, total: 180, why: "90 writes and 90 leaks; 90 more are counted, none without being told"},
		{file: "gen-helgrind-race-lockorder.xml", format: v, total: 5, why: "a lock order and four races"},
		{file: "gen-fork-parent.xml", format: v, total: 1, why: "what it had before the fork"},
		{file: "gen-fork-child-exit3.xml", format: v, total: 2, why: "no RUNNING: forked; the parent's block and its own"},
		{file: "gen-sigsegv.xml", format: v, total: 3, broken: "SIGSEGV", why: "a write, the signal, a leak; what came after the signal nobody knows"},
		{file: "gen-killed-truncated.xml", format: v, total: 1, broken: "line 72", why: "killed after the first error: no end tag, no FINISHED"},

		{file: "cargo-valgrind-version4.xml", format: v, total: 8, why: "of Rust: two lost, six reachable"},
		{file: "jenkins-aux-data.xml", format: v, total: 3, broken: "2 errors are counted", why: "cut by hand: 0x3 and 0x4 are counted and not told"},
		{file: "jenkins-simple.xml", format: v, total: 3, broken: "2 errors are counted", why: "cut by hand: 0x4 and 0x7 are counted and not told"},
		{file: "sonar-cxx-incorrect-valgrind-result_1.xml", format: v, total: 1, broken: "has no kind", why: "an error without kind"},
		{file: "sonar-cxx-incorrect-valgrind-result_2.xml", format: v, total: 1, why: "an error without text: kind and stack say enough"},
		{file: "sonar-cxx-valgrind-result-SAMPLE_1.xml", format: v, total: 13, why: "Valgrind 3.6: a condition and twelve blocks possibly lost"},
		{file: "sonar-cxx-valgrind-result-SAMPLE_2.xml", format: v, total: 1, why: "Valgrind 3.11: a write"},
	})
}
