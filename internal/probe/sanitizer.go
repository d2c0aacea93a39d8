package probe

import (
	"debug/buildinfo"
	"debug/elf"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
)

// Sanitizer is the tool of a program that was built with -fsanitize, or by go
// build -race.
const Sanitizer = "sanitizer"

// sanitizerOptions tell all sanitizers to write into files of the folder, one for
// each process that finds something, and keep what the environment says besides
// (github.com/google/sanitizers/wiki/SanitizerCommonFlags).
func sanitizerOptions(folder string, getenv func(string) string) ([]string, error) {
	quote := "'"
	if strings.Contains(folder, quote) {
		quote = `"`
	}
	if strings.Contains(folder, quote) {
		return nil, fmt.Errorf("sanitizers cannot be told a folder with both sorts of quotes in its name: %s; TMPDIR or --keep names another", folder)
	}
	var env []string
	for _, name := range []string{"ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "MSAN_OPTIONS"} {
		options := "log_path=" + quote + filepath.Join(folder, "sanitizer") + quote
		if name == "UBSAN_OPTIONS" {
			options += ":print_stacktrace=1"
		}
		if given := getenv(name); given != "" {
			options = given + ":" + options
		}
		env = append(env, name+"="+options)
	}
	race := "log_path=" + quote + filepath.Join(folder, "race") + quote
	if given := getenv("GORACE"); given != "" {
		race = given + " " + race
	}
	return append(env, "GORACE="+race), nil
}

// leaksOff is a flag as sanitizers read it. The last one of a variable counts.
var leaksOff = regexp.MustCompile(`(?:^|[ ,:\n\t\r])detect_leaks=["']?(\w+)`)

// leaksUnseen names the variable by which sanitizers look for no leaks, or "".
func leaksUnseen(getenv func(string) string) string {
	for _, name := range []string{"ASAN_OPTIONS", "LSAN_OPTIONS"} {
		said := leaksOff.FindAllStringSubmatch(getenv(name), -1)
		if len(said) > 0 && slices.Contains([]string{"0", "no", "false"}, said[len(said)-1][1]) {
			return name
		}
	}
	return ""
}

// instrumented says whether a program has a sanitizer: a library of one, calls
// to it, or what go build says of itself.
func instrumented(command string) bool {
	f := open(command)
	if f == nil {
		return false
	}
	defer f.Close()
	libraries, _ := f.ImportedLibraries()
	if slices.ContainsFunc(libraries, func(l string) bool {
		return strings.HasPrefix(l, "libasan.") || strings.HasPrefix(l, "liblsan.") || strings.HasPrefix(l, "libtsan.") || strings.HasPrefix(l, "libubsan.") || strings.Contains(l, "clang_rt.")
	}) {
		return true
	}
	dynamic, _ := f.DynamicSymbols()
	all, _ := f.Symbols()
	if slices.ContainsFunc(slices.Concat(dynamic, all), func(s elf.Symbol) bool {
		return slices.ContainsFunc([]string{"__asan_init", "__lsan_init", "__tsan_init", "__msan_init", "__ubsan_handle"}, func(p string) bool { return strings.HasPrefix(s.Name, p) })
	}) {
		return true
	}
	name, err := exec.LookPath(command)
	if err != nil {
		return false
	}
	info, err := buildinfo.ReadFile(name)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(info.Settings, func(s debug.BuildSetting) bool { return s.Key == "-race" && s.Value == "true" })
}
