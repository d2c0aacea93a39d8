package gate

import (
	"path"
	"slices"
	"strings"
)

// A Tree is the repository that reports speak of: it tells our own code from
// everybody else's, and brings paths of build machines home.
type Tree struct {
	root   string              // absolute, with slashes, without one at the end; "" if not known
	byBase map[string][]string // paths within the repository by their last part
	read   func(path string) ([]byte, error)
	texts  map[string][]string // lines of files that were asked for
	homes  map[string]string   // what find found, by the name as a report has it
}

// NewTree makes a Tree of the repository at root with the files (paths within
// it, with slashes). Read returns a file's text; it is asked once per file, and
// may be nil where no source is at hand. The zero Tree knows no files: then our
// own code is what is not known to be the system's.
func NewTree(root string, files []string, read func(path string) ([]byte, error)) *Tree {
	t := &Tree{root: strings.TrimSuffix(root, "/"), byBase: map[string][]string{}, read: read, texts: map[string][]string{}, homes: map[string]string{}}
	for _, f := range files {
		t.byBase[path.Base(f)] = append(t.byBase[path.Base(f)], f)
	}
	return t
}

// find returns the path within the repository of a file that a report names, be
// it absolute on this machine or another, relative to where a compiler stood, or
// but a name.
func (t *Tree) find(name string) (string, bool) {
	home, ok := t.homes[name]
	if !ok {
		home = t.search(name)
		t.homes[name] = home
	}
	return home, home != ""
}

func (t *Tree) search(name string) string {
	if name == "" {
		return ""
	}
	name = path.Clean(strings.ReplaceAll(name, `\`, "/"))
	within := name
	if t.root != "" {
		within = strings.TrimPrefix(name, t.root+"/")
	}
	if slices.Contains(t.byBase[path.Base(name)], within) {
		return within
	}
	if systemFile(name) {
		return ""
	}
	best, length, several := "", 0, false
	for _, f := range t.byBase[path.Base(name)] {
		n := commonEnd(f, name)
		switch {
		case n < parts(f) && n < parts(name): // they part ways somewhere in the middle
		case n > length:
			best, length, several = f, n, false
		case n == length:
			several = true
		}
	}
	if several { // it is none of them for sure
		return ""
	}
	return best
}

// parts counts those of a path.
func parts(p string) int {
	return strings.Count(strings.Trim(strings.TrimPrefix(p, "./"), "/"), "/") + 1
}

// commonEnd counts the parts at the end that two paths share.
func commonEnd(a, b string) int {
	n := 0
	for a != "" && b != "" {
		x, y := path.Base(a), path.Base(b)
		if x != y || x == "/" || x == "." || x == ".." {
			break
		}
		n++
		a, b = strings.TrimSuffix(a[:len(a)-len(x)], "/"), strings.TrimSuffix(b[:len(b)-len(y)], "/")
	}
	return n
}

// lines returns the lines of a file of the repository, or nil.
func (t *Tree) lines(within string) []string {
	if t.read == nil {
		return nil
	}
	if lines, ok := t.texts[within]; ok {
		return lines
	}
	var lines []string
	if text, err := t.read(within); err == nil {
		lines = strings.Split(strings.TrimSuffix(strings.ReplaceAll(string(text), "\r\n", "\n"), "\n"), "\n")
	}
	t.texts[within] = lines
	return lines
}

// line returns one line of a file of the repository, its spaces made one each,
// or "".
func (t *Tree) line(within string, number int) string {
	lines := t.lines(within)
	if number < 1 || number > len(lines) {
		return ""
	}
	return strings.Join(strings.Fields(lines[number-1]), " ")
}

// around is how many lines an excerpt shows before and after its place.
const around = 3

// excerpt returns the source around a line.
func (t *Tree) excerpt(within string, number int) Excerpt {
	lines := t.lines(within)
	if number < 1 || number > len(lines) {
		return Excerpt{}
	}
	first := max(1, number-around)
	return Excerpt{First: first, Lines: lines[first-1 : min(len(lines), number+around)]}
}

// own are the frames of our own code: those whose source lies in the
// repository. If none does, it may not be at hand, or the code is generated or
// stripped of its sources: then they are those that are nobody else's.
func (t *Tree) own(frames []Frame) []Frame {
	var ours, rest []Frame
	for _, f := range frames {
		switch _, here := t.find(f.File); {
		case here:
			ours = append(ours, f)
		case !foreign(f):
			rest = append(rest, f)
		}
	}
	if len(ours) > 0 {
		return ours
	}
	return rest
}

// foreign says whether a frame is of the system, a tool or a module.
func foreign(f Frame) bool {
	if systemFunction(f.Function) {
		return true
	}
	if f.File != "" {
		return systemFile(path.Clean(f.File)) || vendored(f.File)
	}
	return systemObject(f.Object) || f.Object == "" && f.Function == ""
}

var systemFolders = []string{
	"/usr/include/", "/usr/lib/", "/usr/lib32/", "/usr/lib64/", "/usr/libexec/", "/usr/local/go/src/", "/usr/local/include/", "/usr/local/lib/",
	"/usr/src/", "/lib/", "/lib32/", "/lib64/", "/opt/gcc", "/rustc/", "/build/glibc", "/nix/store/", "/snap/",
}

// containerFolder is where images of containers build what is given to them.
const containerFolder = "/usr/src/app/"

// systemParts are those of paths to the sources of C libraries, compilers and
// tools, which are told as they were where their packages were made.
var systemParts = []string{
	"/glibc-", "/gcc-", "/libsanitizer/", "/compiler-rt/", "/csu/../", "/sysdeps/", "/nptl/", "/coregrind/", "/libstdc++-v3/", "/go/src/runtime/", "/go/src/testing/",
	"/src/runtime/", "/src/testing/testing.go",
}

func systemFile(name string) bool {
	name = strings.ReplaceAll(name, `\`, "/")
	for _, f := range systemFolders {
		if strings.HasPrefix(name, f) && !strings.HasPrefix(name, containerFolder) {
			return true
		}
	}
	for _, p := range systemParts {
		if strings.Contains("/"+name, p) {
			return true
		}
	}
	base := path.Base(name)
	return strings.HasPrefix(base, "vg_replace_") || strings.HasPrefix(base, "hg_intercepts") || strings.HasPrefix(base, "drd_") ||
		strings.HasPrefix(base, "asan_") || strings.HasPrefix(base, "lsan_") || strings.HasPrefix(base, "tsan_") || strings.HasPrefix(base, "sanitizer_") ||
		slices.Contains([]string{"libc-start.c", "libc_start_call_main.h", "start.S", "clone.S", "clone3.S", "pthread_create.c", "testing.go"}, base)
}

// vendored says whether a source is of a module that lies in a cache.
func vendored(name string) bool {
	return strings.Contains(name, "/pkg/mod/") || strings.Contains(name, "/.cargo/registry/") || strings.Contains(name, "/site-packages/")
}

func systemObject(name string) bool {
	for _, f := range []string{"/usr/lib", "/lib", "/usr/libexec/", "/usr/local/lib/valgrind/"} {
		if strings.HasPrefix(name, f) {
			return true
		}
	}
	base := path.Base(name)
	return strings.HasPrefix(base, "vgpreload_") || strings.HasPrefix(base, "ld-linux") || strings.HasPrefix(base, "ld-2.") ||
		strings.HasPrefix(base, "libc.so") || strings.HasPrefix(base, "libc-2.") || strings.HasPrefix(base, "libpthread") ||
		strings.HasPrefix(base, "libstdc++.so") || strings.HasPrefix(base, "libasan.so") || strings.HasPrefix(base, "libtsan.so") ||
		strings.HasPrefix(base, "liblsan.so") || strings.HasPrefix(base, "libubsan.so") || strings.HasPrefix(base, "libgcc_s")
}

// systemFunctions are those that stand between our own code and the place where
// a tool looked: allocators, and what a thread or a program begins with.
var systemFunctions = []string{
	"malloc", "calloc", "realloc", "reallocarray", "free", "cfree", "memalign", "posix_memalign", "aligned_alloc", "valloc", "pvalloc", "strdup", "strndup",
	"_start", "__libc_start_main", "__libc_start_call_main", "(below main)", "start_thread", "clone", "clone3", "mythread_wrapper",
	"memcpy", "memmove", "memset", "memcmp", "strcpy", "strncpy", "strlen", "strcat", "strcmp", "printf", "vfprintf", "puts",
}

func systemFunction(name string) bool {
	name = bare(name)
	return slices.Contains(systemFunctions, name) || strings.HasPrefix(name, "operator new") || strings.HasPrefix(name, "operator delete") ||
		strings.HasPrefix(name, "__interceptor_") || strings.HasPrefix(name, "___interceptor_") || strings.HasPrefix(name, "__asan_") || strings.HasPrefix(name, "__tsan_") || strings.HasPrefix(name, "__sanitizer") ||
		strings.HasPrefix(name, "runtime.") || strings.HasPrefix(name, "testing.") || strings.HasPrefix(name, "std::") || strings.HasPrefix(name, "__gnu_cxx::") ||
		strings.HasPrefix(name, "pthread_") || strings.HasPrefix(name, "__GI_")
}
