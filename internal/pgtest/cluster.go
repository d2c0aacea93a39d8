package pgtest

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
)

// A Cluster is a PostgreSQL server with a folder of its own, reached through
// a unix socket in that folder and by no network. It writes as a server in
// production does: fsync is on.
type Cluster struct {
	admin string // URL of the database "postgres"

	dir   string // holds data/, the socket and log; empty if another process owns the cluster
	pgctl string
	as    *syscall.Credential // whom the server runs as; nil is us

	watchdog *exec.Cmd
	leash    io.Closer // our end of the watchdog's standard input
}

// guard waits until its standard input ends, which the kernel sees to however
// the process at the other end dies, and then removes the cluster.
const guard = `cat >/dev/null; "$1" stop -D "$2/data" -m immediate -s; rm -rf "$2"`

// Start makes and starts a cluster. It takes about a second. The caller ends
// it with Stop; if the process dies first, the cluster is removed all the
// same.
func Start() (*Cluster, error) {
	bin, err := binaries()
	if err != nil {
		return nil, err
	}
	as, err := account()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "muster-pg-")
	if err != nil {
		return nil, fmt.Errorf("folder for PostgreSQL: %w", err)
	}
	c := &Cluster{dir: dir, pgctl: filepath.Join(bin, "pg_ctl"), as: as}
	c.admin = (&url.URL{
		Scheme: "postgres", User: url.User("postgres"), Path: "/postgres",
		RawQuery: url.Values{"host": {dir}}.Encode(),
	}).String()

	if as != nil {
		if err := os.Chown(dir, int(as.Uid), int(as.Gid)); err != nil {
			return nil, errors.Join(fmt.Errorf("folder for PostgreSQL: %w", err), os.RemoveAll(dir))
		}
	}
	if err := c.watch(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	// The folder is open to its owner alone (MkdirTemp), so nobody else comes
	// as far as "trust".
	err = c.run(filepath.Join(bin, "initdb"), "-D", filepath.Join(dir, "data"), "-U", "postgres",
		"--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	if err == nil {
		err = c.run(c.pgctl, append([]string{"start"}, c.options()...)...)
	}
	if err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	return c, nil
}

// Restart stops the server in the given mode of pg_ctl and starts it again:
// "smart" waits for clients to leave, "fast" throws them out, and "immediate"
// is a crash: nothing is written and the start recovers from the log.
func (c *Cluster) Restart(mode string) error {
	if c.dir == "" {
		return errors.New("restart PostgreSQL: the cluster belongs to another process; use Start")
	}
	return c.run(c.pgctl, append([]string{"restart", "-m", mode}, c.options()...)...)
}

// Halt stops the server in the given mode of pg_ctl and leaves its data; Resume
// starts it again.
func (c *Cluster) Halt(mode string) error {
	if c.dir == "" {
		return errors.New("halt PostgreSQL: the cluster belongs to another process; use Start")
	}
	return c.run(c.pgctl, "stop", "-D", filepath.Join(c.dir, "data"), "-m", mode, "-s", "-w")
}

// Resume starts a server that Halt stopped.
func (c *Cluster) Resume() error { return c.run(c.pgctl, append([]string{"start"}, c.options()...)...) }

// Stop ends the server at once and removes all that is left of it. It does
// what the death of this process would do, by the same way.
func (c *Cluster) Stop() error {
	if c.dir == "" {
		return errors.New("stop PostgreSQL: the cluster belongs to another process")
	}
	if err := c.leash.Close(); err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	if err := c.watchdog.Wait(); err != nil {
		return fmt.Errorf("stop PostgreSQL: %w", err)
	}
	return nil
}

// options are those of pg_ctl for a start.
func (c *Cluster) options() []string {
	server := fmt.Sprintf("-c listen_addresses='' -c unix_socket_directories='%s' -c max_connections=200 -c timezone=UTC", c.dir)
	return []string{"-D", filepath.Join(c.dir, "data"), "-l", filepath.Join(c.dir, "log"), "-w", "-t", "60", "-s", "-o", server}
}

// watch starts the guard, in a session of its own: what ends the test (a
// Ctrl-C goes to a whole group of processes) must not end it too.
func (c *Cluster) watch() error {
	c.watchdog = exec.Command("/bin/sh", "-c", guard, "sh", c.pgctl, c.dir)
	c.watchdog.Dir = "/"
	c.watchdog.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: c.as}
	leash, err := c.watchdog.StdinPipe()
	if err == nil {
		err = c.watchdog.Start()
	}
	if err != nil {
		return fmt.Errorf("watchdog of PostgreSQL: %w", err)
	}
	c.leash = leash
	return nil
}

// run runs one of PostgreSQL's programs as the server's user. Its output goes
// into a file and not into a pipe, which the server would hold open.
func (c *Cluster) run(program string, args ...string) error {
	out, err := os.CreateTemp("", "muster-pg-out-")
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(program), err)
	}
	defer os.Remove(out.Name())
	defer out.Close()

	cmd := exec.Command(program, args...)
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: c.as}
	if err := cmd.Run(); err != nil {
		said, _ := os.ReadFile(out.Name())
		logged, _ := os.ReadFile(filepath.Join(c.dir, "log"))
		return fmt.Errorf("%s: %w\n%s%s", filepath.Base(program), err, said, logged)
	}
	return nil
}

// binaries returns the folder that holds initdb and pg_ctl: of the versions
// installed the way of Debian the newest, else the one in PATH.
func binaries() (string, error) {
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb") // the pattern is good
	newest, best := "", -1
	for _, path := range found {
		bin := filepath.Dir(path)
		if v, err := strconv.Atoi(filepath.Base(filepath.Dir(bin))); err == nil && v > best {
			newest, best = bin, v
		}
	}
	if newest != "" {
		return newest, nil
	}
	path, err := exec.LookPath("initdb")
	if err != nil {
		return "", errors.New("no PostgreSQL server: initdb is neither in /usr/lib/postgresql/*/bin nor in PATH; `make tools` installs it")
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return "", fmt.Errorf("initdb: %w", err)
	}
	return filepath.Dir(path), nil
}

// account returns the user postgres if we are root, which the server refuses
// to run as, and nil otherwise.
func account() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user postgres: %w", err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, fmt.Errorf("user postgres: %w", err)
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
