package main

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkGrowth fills a database with open alerts, a tenth as many incidents,
// and looks at 10,000, 100,000 and 1,000,000 how the program does: the built
// one, in a process of its own. It takes minutes and asks for MUSTER_LONG.
//
//   - events/s: alerts taken in, 64 a request, over the last part of the way
//   - ready-ms: from the start of the process to /readyz
//   - idle-MB, idle-cpu-%: of the process after the start, for five seconds
//   - list-p50-ms, list-p99-ms: 200 pages of 50 of the open alerts
//   - listed-MB: of the process after that
//   - page-p50-ms, page-p99-ms: from an event to its page on the wire
//   - disk-bytes/alert: of the whole database
func BenchmarkGrowth(b *testing.B) {
	if os.Getenv("MUSTER_LONG") == "" {
		b.Skip("long: a million alerts take minutes")
	}
	binary := filepath.Join(b.TempDir(), "muster")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	eachDatabase(b, func(b *testing.B, database string) {
		g := &growing{binary: binary, database: benchDatabase(b, database), dir: b.TempDir(), pages: &pageReceiver{at: map[string]chan time.Time{}}}
		hook := httptest.NewServer(g.pages)
		b.Cleanup(hook.Close)
		g.config = filepath.Join(g.dir, "growth.yaml")
		text := strings.NewReplacer("HOOK", hook.URL, "KEY", benchKey).Replace(benchConfig + quietConfig)
		if err := os.WriteFile(g.config, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		for _, alerts := range []int{10_000, 100_000, 1_000_000} {
			b.Run(strconv.Itoa(alerts), func(b *testing.B) {
				for b.Loop() { // once: it ends with a.N alerts, whatever b.N would be
					g.measure(b, alerts)
				}
				b.ReportMetric(0, "ns/op")
			})
		}
	})
}

// quietConfig adds an integration that pages nobody: who is on call
// there is called a day later, for nothing is urgent.
const quietConfig = `  quiet: {kind: muster, key: quiet-KEY, service: quiet, group_by: [host]}
`

// growing is a database that grows.
type growing struct {
	binary, database, config, dir string
	pages                         *pageReceiver
	alerts                        int // in it so far
	lone                          int // events that were sent to be paged
}

const growthToken = "mst_growth-admin-0123456789"

func (g *growing) measure(b *testing.B, alerts int) {
	p := g.start(b)
	begun, from := time.Now(), g.alerts
	g.fill(b, p, alerts)
	if g.alerts > from {
		b.ReportMetric(float64(g.alerts-from)/time.Since(begun).Seconds(), "events/s")
	}
	p.stop(b)

	p = g.start(b)
	defer p.stop(b)
	b.ReportMetric(float64(p.ready.Milliseconds()), "ready-ms")
	cpu := processCPU(b, p.cmd.Process.Pid)
	time.Sleep(5 * time.Second)
	b.ReportMetric(100*(processCPU(b, p.cmd.Process.Pid)-cpu).Seconds()/5, "idle-cpu-%")
	b.ReportMetric(p.memory(b), "idle-MB")
	b.ReportMetric(g.disk(b)/float64(g.alerts), "disk-bytes/alert")

	took := g.list(b, p)
	b.ReportMetric(ms(took, 0.5), "list-p50-ms")
	b.ReportMetric(ms(took, 0.99), "list-p99-ms")
	b.ReportMetric(p.memory(b), "listed-MB")
	took = g.page(b, p)
	b.ReportMetric(ms(took, 0.5), "page-p50-ms")
	b.ReportMetric(ms(took, 0.99), "page-p99-ms")
}

func ms(took []time.Duration, share float64) float64 {
	slices.Sort(took)
	return float64(took[min(len(took)-1, int(share*float64(len(took))))].Microseconds()) / 1000
}

// A growthProcess is a running muster serve.
type growthProcess struct {
	cmd   *exec.Cmd
	addr  string
	said  *bytes.Buffer
	ready time.Duration // from its start
}

func (g *growing) start(b *testing.B) *growthProcess {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	p := &growthProcess{addr: listener.Addr().String(), said: &bytes.Buffer{}}
	listener.Close()
	p.cmd = exec.Command(g.binary, "serve", "--listen", p.addr, "--config", g.config, "--log-level", "error")
	p.cmd.Env = append(os.Environ(), "MUSTER_DATABASE="+g.database, "MUSTER_ADMIN_TOKEN="+growthToken, "MUSTER_SECRET_KEY="+strings.Repeat("5e", 32))
	p.cmd.Stdout, p.cmd.Stderr = p.said, p.said
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	begun := time.Now()
	if err := p.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	for time.Since(begun) < 20*time.Second {
		if answer, err := http.Get("http://" + p.addr + "/readyz"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				p.ready = time.Since(begun)
				return p
			}
		}
		time.Sleep(5 * time.Millisecond)
	}
	p.cmd.Process.Kill()
	p.cmd.Wait()
	b.Fatalf("it is not ready after 20 s:\n%s", p.said)
	return nil
}

func (p *growthProcess) stop(b *testing.B) {
	b.Helper()
	p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		b.Errorf("it ended with %v:\n%s", err, p.said)
	}
}

// memory is what the process has in memory, in MB of a million bytes.
func (p *growthProcess) memory(b *testing.B) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	var kb float64
	if _, err := fmt.Sscan(after, &kb); err != nil {
		b.Fatal(err)
	}
	return kb * 1024 / 1e6
}

// fill opens alerts until there are so many, ten an incident.
func (g *growing) fill(b *testing.B, p *growthProcess, alerts int) {
	const size = 64
	to := target{p.addr, "/intake/events", "Authorization: Bearer quiet-" + benchKey + "\r\n", http.StatusAccepted}
	bodies, failed := make(chan string), make(chan error, benchConnections)
	for range benchConnections {
		c, err := to.client()
		if err != nil {
			b.Fatal(err)
		}
		go func() {
			defer c.conn.Close()
			for body := range bodies {
				if err := c.post(body); err != nil {
					failed <- err
					return
				}
			}
			failed <- nil
		}()
	}
	for g.alerts < alerts {
		n := min(size, alerts-g.alerts)
		select {
		case bodies <- growthBatch(g.alerts, n):
			g.alerts += n
		case err := <-failed:
			b.Fatal(err)
		}
	}
	close(bodies)
	for range benchConnections {
		if err := <-failed; err != nil {
			b.Fatal(err)
		}
	}
}

// growthBatch is a body of n events from number first on, ten a host. Nobody is
// paged for them: they are information.
func growthBatch(first, n int) string {
	var s strings.Builder
	s.WriteByte('[')
	for i := first; i < first+n; i++ {
		if i > first {
			s.WriteByte(',')
		}
		s.WriteString(strings.Replace(benchEvent("Disk is 97 % full", i, i/10), `"critical"`, `"info"`, 1))
	}
	s.WriteByte(']')
	return s.String()
}

// list reads pages of the open alerts, from the newest on.
func (g *growing) list(b *testing.B, p *growthProcess) (took []time.Duration) {
	b.Helper()
	var next string
	for range 200 {
		url := "http://" + p.addr + "/api/v1/alerts?status=firing&limit=50"
		if next != "" {
			url += "&after=" + next
		}
		request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, nil)
		if err != nil {
			b.Fatal(err)
		}
		request.Header.Set("Authorization", "Bearer "+growthToken)
		begun := time.Now()
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			b.Fatal(err)
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		took = append(took, time.Since(begun))
		var page struct {
			Alerts []json.RawMessage
			Next   string
		}
		if err == nil {
			err = json.Unmarshal(body, &page)
		}
		if err != nil || len(page.Alerts) != 50 {
			b.Fatalf("%s: %d alerts, %v: %.300s", answer.Status, len(page.Alerts), err, body)
		}
		next = page.Next
	}
	return took
}

// page sends some events that page, one after the other.
func (g *growing) page(b *testing.B, p *growthProcess) (took []time.Duration) {
	b.Helper()
	c, err := target{p.addr, "/intake/events", "Authorization: Bearer lone-" + benchKey + "\r\n", http.StatusAccepted}.client()
	if err != nil {
		b.Fatal(err)
	}
	defer c.conn.Close()
	for range 100 {
		g.lone++
		title := fmt.Sprintf("Disk number %08d is full", g.lone)
		arrived := g.pages.expect(title)
		begun := time.Now()
		if err := c.post(benchEvent(title, 1<<28+g.lone, g.lone)); err != nil {
			b.Fatal(err)
		}
		select {
		case at := <-arrived:
			took = append(took, at.Sub(begun))
		case <-time.After(20 * time.Second):
			b.Fatalf("no page of %q within 20 s", title)
		}
		time.Sleep(2 * time.Millisecond)
	}
	return took
}

// disk is how many bytes the database has on the disk.
func (g *growing) disk(b *testing.B) (sum float64) {
	b.Helper()
	if strings.HasPrefix(g.database, "postgres:") {
		db, err := sql.Open("pgx", g.database)
		if err != nil {
			b.Fatal(err)
		}
		defer db.Close()
		if err := db.QueryRowContext(b.Context(), "SELECT pg_database_size(current_database())").Scan(&sum); err != nil {
			b.Fatal(err)
		}
		return sum
	}
	for _, name := range []string{g.database, g.database + "-wal"} {
		info, err := os.Stat(name)
		if err != nil {
			b.Fatal(err)
		}
		sum += float64(info.Size())
	}
	return sum
}
