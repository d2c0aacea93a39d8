package probe

import (
	"debug/buildinfo"
	"debug/elf"
	"os/exec"
	"path/filepath"
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
func sanitizerOptions(folder string, getenv func(string) string) []string {
	var env []string
	for _, name := range []string{"ASAN_OPTIONS", "LSAN_OPTIONS", "TSAN_OPTIONS", "UBSAN_OPTIONS", "MSAN_OPTIONS"} {
		options := "log_path='" + filepath.Join(folder, "sanitizer") + "'"
		if name == "UBSAN_OPTIONS" {
			options += ":print_stacktrace=1"
		}
		if given := getenv(name); given != "" {
			options = given + ":" + options
		}
		env = append(env, name+"="+options)
	}
	race := "log_path=" + filepath.Join(folder, "race")
	if given := getenv("GORACE"); given != "" {
		race = given + " " + race
	}
	return append(env, "GORACE="+race)
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
