// Package e2e proves what Muster promises on the built binary, from outside:
// it starts processes, kills them, sends what senders send, and listens to what
// receivers get. It knows the flags, the HTTP API and nothing of the code behind.
package e2e

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// adminToken is that of every server of these tests.
const adminToken = "mst_e2e-admin-0123456789"

// secretKey seals the secrets of every server of these tests.
var secretKey = strings.Repeat("5e", 32)

// binary is the program, built once.
var binary string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "muster-e2e-")
	if err != nil {
		log.Print(err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "muster")
	build := exec.Command("go", "build", "-o", binary, "github.com/musterhq/muster/cmd/muster")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		log.Printf("build muster: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// mortal is the program with a death: MUSTER_TEST_DIE names the station, and
// its passing, at which it dies as by kill -9 (cmd/muster/station_test.go). It is
// built by the first test that asks.
var mortal = sync.OnceValues(func() (path string, err error) {
	path = filepath.Join(filepath.Dir(binary), "mortal")
	build := exec.Command("go", "test", "-c", "-o", path, "github.com/musterhq/muster/cmd/muster")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build a muster that dies: %w\n%s", err, out)
	}
	return path, nil
})

// stations are the points at which it can die.
func stations(t *testing.T) []string {
	t.Helper()
	path, err := mortal()
	if err != nil {
		t.Fatal(err)
	}
	list := exec.Command(path)
	list.Env = append(os.Environ(), "MUSTER_TEST_DIE=list")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(out))
}

// A process is a running program of a test. It does not outlive the test.
type process struct {
	name   string
	cmd    *exec.Cmd
	output *capture
	ended  chan struct{} // closed when it has ended
	err    error         // what it ended with; read after ended
}

// A capture is output that can be read while it is written.
type capture struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (c *capture) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.Write(b)
}

func (c *capture) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf.String()
}

// start runs a program until it ends, is killed, or the test is over. What it
// printed is shown if the test fails.
func start(t *testing.T, name string, env []string, path string, args ...string) *process {
	t.Helper()
	p := &process{name: name, cmd: exec.Command(path, args...), output: &capture{}, ended: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.kill()
		if t.Failed() {
			t.Logf("%s printed:\n%s", name, tail(p.output.String(), 60))
		}
	})
	return p
}

// tail is the last lines of a text.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// kill ends it as a crash does, and waits until it is gone.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

// stop asks it to end, and reports how it did.
func (p *process) stop(t *testing.T) {
	t.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		if p.err != nil {
			t.Errorf("%s ended with %v", p.name, p.err)
		}
	case <-time.After(30 * time.Second):
		t.Errorf("%s did not end within 30 s of SIGTERM", p.name)
		p.kill()
	}
}

// A server is a running muster serve.
type server struct {
	*process
	api
}

// serve starts a server on a free port and waits until it is ready.
func serve(t *testing.T, name, database string, args ...string) *server {
	t.Helper()
	s := launch(t, name, database, args...)
	if err := s.await(); err != nil {
		t.Fatal(err)
	}
	return s
}

// launch starts a server, and await waits for it.
func launch(t *testing.T, name, database string, args ...string) *server {
	t.Helper()
	return launchOf(t, binary, nil, name, database, args...)
}

// launchMortal starts a server that dies at the n-th passing of a station.
func launchMortal(t *testing.T, station string, n int, name, database string, args ...string) *server {
	t.Helper()
	path, err := mortal()
	if err != nil {
		t.Fatal(err)
	}
	return launchOf(t, path, []string{fmt.Sprintf("MUSTER_TEST_DIE=%s/%d", station, n)}, name, database, args...)
}

func launchOf(t *testing.T, path string, env []string, name, database string, args ...string) *server {
	t.Helper()
	args = append([]string{"serve", "--database", database, "--listen", "127.0.0.1:0"}, args...)
	env = append(env, "MUSTER_SECRET_KEY="+secretKey, "MUSTER_ADMIN_TOKEN="+adminToken)
	return &server{process: start(t, name, env, path, args...)}
}

func (s *server) await() error {
	listens := regexp.MustCompile(`(?m)^Muster \S+ listens on (\S+)$`)
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); {
		if found := listens.FindStringSubmatch(s.output.String()); found != nil {
			s.api = api{base: found[1], token: adminToken}
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("%s ended: %v", s.name, s.err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	return fmt.Errorf("%s does not listen after 30 s", s.name)
}

// eventually asks again and again until there is no error, or the time is over.
func eventually(within time.Duration, ask func() error) error {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("after %v: %w", within, err)
		case <-time.After(25 * time.Millisecond):
		}
	}
}

// write puts a file into a folder and returns its path.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// program finds a program that scripts/install-tools.sh installs. Without it
// the test fails: a proof that did not run is none.
func program(t *testing.T, names ...string) string {
	t.Helper()
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatalf("there is no %s on this machine; scripts/install-tools.sh installs it", strings.Join(names, " or "))
	return ""
}
