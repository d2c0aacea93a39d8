package probe

import (
	"debug/elf"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// callers is how many calls of a stack are kept: Valgrind's own twelve cut the
// frames from which a defect gets its name.
const callers = "40"

// valgrindOptions are those of valgrind, up to the program's name. What a
// .valgrindrc of the repository or VALGRIND_OPTS say is left out: they could keep
// it from looking, and nobody would see that.
func (r Run) valgrindOptions() []string {
	options := []string{
		"--command-line-only=yes", "--tool=" + r.Tool, "--xml=yes", "--xml-file=" + filepath.Join(strings.ReplaceAll(r.Reports, "%", "%%"), r.Tool+".%p.xml"),
		"--trace-children=yes", "--child-silent-after-fork=no", "--num-callers=" + callers,
	}
	if r.Tool == "memcheck" {
		options = append(options, "--leak-check=full", "--show-leak-kinds=definite,possible", "--errors-for-leak-kinds=definite,possible")
	}
	for _, s := range r.Suppressions {
		options = append(options, "--suppressions="+s)
	}
	return append(append(options, r.Options...), "--")
}

// static says whether a program is one that no dynamic linker loads, so that
// Valgrind cannot put its own malloc in the place of the program's.
func static(command string) bool {
	f := open(command)
	if f == nil {
		return false // a script
	}
	defer f.Close()
	return !slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP })
}

// open opens a program, or returns nil for what is none.
func open(command string) *elf.File {
	name, err := exec.LookPath(command)
	if err != nil {
		return nil
	}
	f, err := elf.Open(name)
	if err != nil {
		return nil
	}
	return f
}
