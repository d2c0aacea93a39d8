package e2e

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestSelftest: the gate of this machine stops a real leak; and the self-test
// fails where Valgrind sees nothing, writes nothing, or is not there.
func TestSelftest(t *testing.T) {
	t.Parallel()
	program(t, "valgrind")
	program(t, "cc")
	const blind = `#!/bin/sh
for a; do
	case $a in
	--xml-file=*) file=$(echo "${a#--xml-file=}" | sed "s/%p/$$/") ;;
	esac
done
cat > "$file" <<END
<?xml version="1.0"?>
<valgrindoutput><protocolversion>4</protocolversion><protocoltool>memcheck</protocoltool><preamble><line>Memcheck</line></preamble>
<pid>1</pid><ppid>1</ppid><tool>memcheck</tool><args><vargv><exe>valgrind</exe></vargv><argv><exe>x</exe></argv></args>
<status><state>RUNNING</state><time>00:00:00:00.1</time></status>
<status><state>FINISHED</state><time>00:00:00:00.2</time></status>
<errorcounts></errorcounts><suppcounts></suppcounts></valgrindoutput>
END
`
	tests := []struct {
		name, valgrind string // "": the real one
		good           bool
		says           string
	}{
		{"real", "", true, "4242 bytes lost, found, and stopped"},
		{"blind", blind, false, "the leak of 4242 bytes was not found"},
		{"silent", "#!/bin/sh\nexit 0\n", false, "there is no report"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(binary, "gate", "selftest")
			cmd.Dir, cmd.Env = t.TempDir(), os.Environ()
			if tt.valgrind != "" {
				bin := t.TempDir()
				if err := os.Chmod(write(t, bin, "valgrind", tt.valgrind), 0o755); err != nil {
					t.Fatal(err)
				}
				cmd.Env = append(cmd.Env, "PATH="+bin+":"+os.Getenv("PATH"))
			}
			out, err := cmd.CombinedOutput()
			if (err == nil) != tt.good || !strings.Contains(string(out), tt.says) {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
	t.Run("no compiler", func(t *testing.T) {
		t.Parallel()
		const python = "/usr/bin/python3"
		if _, err := os.Stat(python); err != nil {
			t.Skip("not here: " + python)
		}
		bin := t.TempDir()
		for name, path := range map[string]string{"valgrind": program(t, "valgrind"), "python3": python} {
			if err := os.Chmod(write(t, bin, name, "#!/bin/sh\nexec "+path+" \"$@\"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		cmd := exec.Command(binary, "gate", "selftest")
		cmd.Dir, cmd.Env = t.TempDir(), []string{"PATH=" + bin, "HOME=" + t.TempDir()}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "a real leak, in Python: 4242 bytes lost") {
			t.Errorf("%v\n%s", err, out)
		}
	})
}

// TestGateAtTerminal: a program that reads the terminal can, and who called the
// gate has the terminal again when it ends.
func TestGateAtTerminal(t *testing.T) {
	t.Parallel()
	program(t, "valgrind")
	script := program(t, "script")
	dir := t.TempDir()
	write(t, dir, "ask.c", "#include <stdio.h>\nint main(void) { char s[9]; return !fgets(s, 9, stdin) || s[0] != 'y'; }\n")
	if out, err := exec.Command(program(t, "cc"), "-o", dir+"/ask", dir+"/ask.c").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	cmd := exec.Command(script, "-qec", binary+" gate run -- ./ask && read again && echo \"then: $again\"", "/dev/null")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader("yes\nmore\n")
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") || !strings.Contains(string(out), "then: more") {
		t.Errorf("%v\n%s", err, out)
	}
}
