package e2e

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A logger writes a log file as a web server does: a line at a time, some in
// two halves, and across rotations.
type logger struct {
	path string
	mu   sync.Mutex
	file *os.File
	n    int
}

func (l *logger) open() error {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file != nil {
		l.file.Close()
	}
	l.file = f
	return nil
}

// line writes one line with the time it is now: each tenth is bad.
func (l *logger) line() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	status := 200
	if l.n%5 == 0 {
		status = 503
	}
	service := []string{"checkout", "search"}[l.n%2]
	text := fmt.Sprintf(`{"time":%q,"service":%q,"status":%d,"path":"/%d"}`+"\n", time.Now().UTC().Format(time.RFC3339Nano), service, status, l.n)
	l.n++
	half := 0
	if l.n%50 == 0 {
		half = len(text) / 2
		if _, err := l.file.WriteString(text[:half]); err != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
	_, err := l.file.WriteString(text[half:])
	return err
}

// rotate moves the file away; as with logrotate, the writer goes on writing to
// the old one for a while.
func (l *logger) rotate(generation int) error {
	if err := os.Rename(l.path, fmt.Sprintf("%s.%d", l.path, generation)); err != nil {
		return err
	}
	time.Sleep(200 * time.Millisecond)
	return l.open()
}

// A count is what a rule counts of one second.
type count struct{ Bad, Total int64 }

// counted reads the files themselves: what there is to count, by series and
// the end of the second.
func counted(t *testing.T, pattern string) map[string]count {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]count{}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			var line struct {
				Time    time.Time
				Service string
				Status  int
			}
			if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			key := fmt.Sprintf("service=%s %d", line.Service, line.Time.Unix()+1)
			c := counts[key]
			c.Total++
			if line.Status >= 500 {
				c.Bad++
			}
			counts[key] = c
		}
		if err := lines.Err(); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	return counts
}

// TestTail follows a log that is rotated, while the server is restarted and
// killed in the middle of windows: every line counts once.
func TestTail(t *testing.T) {
	dir := t.TempDir()
	pager := newPager(t, 0)
	config := write(t, dir, "shop.yaml", shop(pager.URL, 1)+`
logs:
  web: {format: ndjson}
rules:
  errors:
    service: s0
    source: logs:web
    ratio: {bad: status >= 500}
    above: 5%
    window: 5s
    by: [service]
    severity: critical
`)
	l := &logger{path: filepath.Join(dir, "access.log")}
	if err := l.open(); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	finish := sync.OnceFunc(func() { close(stop) })
	var writing sync.WaitGroup
	writing.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			if err := l.line(); err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer writing.Wait()
	defer finish()

	database := filepath.Join(dir, "muster.db")
	up := func() *server { return serve(t, "muster", database, "--config", config, "--tail", "web="+l.path) }
	generation := 0
	rotate := func() {
		generation++
		if err := l.rotate(generation); err != nil {
			t.Error(err)
		}
	}
	began := time.Now()
	s := up()
	time.Sleep(1200 * time.Millisecond)
	rotate()
	time.Sleep(1300 * time.Millisecond)
	s.stop(t) // in the middle of a window
	s = up()
	time.Sleep(1100 * time.Millisecond)
	s.kill()
	rotate() // while nobody looks
	s = up()
	for range 3 {
		time.Sleep(400 * time.Millisecond)
		rotate()
		s.kill()
		s = up()
	}
	time.Sleep(1500 * time.Millisecond)
	finish()
	writing.Wait()

	want := counted(t, l.path+"*")
	var got map[string]count
	err := eventually(20*time.Second, func() error {
		query := url.Values{"from": {began.Add(-time.Minute).UTC().Format(time.RFC3339)}, "to": {time.Now().Add(time.Minute).UTC().Format(time.RFC3339)}}
		var answer struct {
			Windows []struct {
				Series string
				Second time.Time
				count
			}
		}
		if err := s.get("/api/v1/rules/errors/windows?"+query.Encode(), &answer); err != nil {
			return err
		}
		got = map[string]count{}
		for _, w := range answer.Windows {
			got[fmt.Sprintf("%s %d", w.Series, w.Second.Unix())] = w.count
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("the file and the windows differ (-file +windows):\n%s", diff)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	var rules struct {
		Rules []struct {
			Rule string
			Late int64
		}
	}
	if err := s.get("/api/v1/rules", &rules); err != nil || len(rules.Rules) != 1 || rules.Rules[0].Late != 0 {
		t.Errorf("rules %+v, %v; want one without late records", rules, err)
	}
	// Each series has fired once: restarts begin no episode anew.
	incidents, err := s.incidents()
	if err != nil || len(incidents) != 2 {
		t.Errorf("%d incidents, want one for each of 2 series: %+v, %v", len(incidents), incidents, err)
	}
	sum := count{}
	for _, c := range want {
		sum.Bad += c.Bad
		sum.Total += c.Total
	}
	t.Logf("%d lines, %d of them bad, in %d buckets; %d rotations, 1 restart, 4 kills", sum.Total, sum.Bad, len(want), generation)
	s.stop(t)
}
