package e2e

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/internal/vendortest"
)

// The faults that a replica is given, and for how long; longer ones and more
// rounds with MUSTER_LONG.
var faults = []struct {
	name        string
	short, long time.Duration
	shards      int // clusters that the long form's rounds are divided among
}{
	{"kill", 9 * time.Second, 9 * time.Second, 1},
	{"stop", 11 * time.Second, time.Minute, 5},
	{"no database, silent", 11 * time.Second, 15 * time.Second, 2},
	{"no database, reset", 11 * time.Second, 15 * time.Second, 2},
	{"no internet, silent", 11 * time.Second, 15 * time.Second, 2},
	{"no internet, reset", 11 * time.Second, 15 * time.Second, 2},
}

// longRounds is how often each fault comes in the long form.
const longRounds = 50

// TestFailover gives one of three replicas a fault, in the middle of load: the
// others send what is due, within ten seconds in the long form, nothing is lost,
// nothing comes twice but what was on its way at the fault, and the replica sends
// nothing of it when it is back.
func TestFailover(t *testing.T) {
	if !ownHosts() {
		t.Skip("not here: this machine lets no process have names of its own (unshare -m, mount --bind)")
	}
	t.Parallel()
	long := os.Getenv("MUSTER_LONG") != ""
	slots := make(chan struct{}, clustersAtOnce) // and not -parallel: they wait, most of the time
	var running sync.WaitGroup
	for _, f := range faults {
		rounds, shards, lasts := 1, 1, f.short
		if long {
			rounds, shards, lasts = longRounds/f.shards, f.shards, f.long
		}
		for range shards {
			slots <- struct{}{}
			running.Go(func() {
				defer func() { <-slots }()
				t.Run(f.name, func(t *testing.T) {
					c := newReplicas(t)
					for n := range rounds {
						if !c.round(f.name, lasts, n) {
							break
						}
					}
					c.end(f.name, long)
				})
			})
		}
	}
	running.Wait()
}

// clustersAtOnce is how many clusters of three run at a time.
const clustersAtOnce = 6

// ownHosts tells whether a process can be given an /etc/hosts of its own, by which
// each replica goes to the same name by a way of its own.
func ownHosts() bool {
	return exec.Command("unshare", "-m", "sh", "-c", "mount --bind /etc/hosts /etc/hosts").Run() == nil
}

// replicas are three servers on one PostgreSQL, each with a way of its own to it
// and to the pager, under load.
type replicas struct {
	t        *testing.T
	database string // directly
	config   string
	servers  [3]*server
	hosts    [3]string
	toDB     [3]*cut
	toPager  [3]*cut
	webhook  *vendortest.Webhook

	healthy [3]atomic.Bool // is sent events
	stop    chan struct{}
	load    sync.WaitGroup
	mu      sync.Mutex
	sent    []sentEvent
	faults  []faultAt
	delays  []time.Duration // of each round, the longest from 202 to the page
	begun   time.Time
}

type sentEvent struct {
	incident string
	at       time.Time // of the 202
}

type faultAt struct {
	name     string
	victim   int
	from, to time.Time
}

// A sentPage is a page that arrived, and by which replica.
type sentPage struct {
	page
	by int
}

const replicaServices = 4

func newReplicas(t *testing.T) *replicas {
	c := &replicas{t: t, database: pgtest.DSN(t), stop: make(chan struct{}), begun: time.Now(),
		webhook: vendortest.NewWebhook(time.Now, webhookSecret)}
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		time.Sleep(150 * time.Millisecond) // so that a fault finds some on their way: these are lost
		if err != nil || r.Context().Err() != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		r.Header.Set("X-By", r.RemoteAddr)
		c.webhook.ServeHTTP(w, r)
		time.Sleep(100 * time.Millisecond) // and of these only the answer
	}))
	t.Cleanup(receiver.Close)
	dir := t.TempDir()
	port := 0
	for i := range c.servers {
		own := fmt.Sprintf("127.0.77.%d", i+1)
		from := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(own)}} // by which the receiver knows it
		c.toPager[i] = newCut(t, fmt.Sprintf("%s:%d", own, port), func() (net.Conn, error) { return from.Dial("tcp", receiver.Listener.Addr().String()) })
		port = c.toPager[i].l.Addr().(*net.TCPAddr).Port
		c.hosts[i] = write(t, dir, fmt.Sprint("hosts", i), "127.0.0.1 localhost\n"+own+" pager.test\n")
		c.toDB[i] = newCut(t, "127.0.0.1:0", func() (net.Conn, error) { return dialPostgres(c.database) })
	}
	c.config = write(t, dir, "shop.yaml", shop(fmt.Sprintf("http://pager.test:%d", port), replicaServices))
	for i := range c.servers {
		c.launch(i)
	}
	for i, s := range c.servers {
		if err := s.await(); err != nil {
			t.Fatal(err)
		}
		c.healthy[i].Store(true)
	}
	for i := range c.servers {
		c.load.Go(func() { c.send(i) })
	}
	t.Cleanup(func() { c.halt() })
	return c
}

func (c *replicas) halt() {
	select {
	case <-c.stop:
	default:
		close(c.stop)
	}
	c.load.Wait()
}

// dialPostgres connects to the unix socket that a DSN names.
func dialPostgres(dsn string) (net.Conn, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, err
	}
	return net.Dial("unix", filepath.Join(u.Query().Get("host"), ".s.PGSQL."+cmp.Or(u.Query().Get("port"), "5432")))
}

// launch starts replica i, with its own ways.
func (c *replicas) launch(i int) {
	u, err := url.Parse(c.database)
	if err != nil {
		c.t.Fatal(err)
	}
	u.Host, u.RawQuery = c.toDB[i].addr(), "sslmode=disable"
	args := []string{"-m", "sh", "-c", `mount --bind "$1" /etc/hosts && shift && exec "$@"`, "sh", c.hosts[i],
		binary, "serve", "--database", u.String(), "--listen", "127.0.0.1:0", "--config", c.config}
	env := []string{"MUSTER_SECRET_KEY=" + secretKey, "MUSTER_ADMIN_TOKEN=" + adminToken}
	s := &server{process: start(c.t, fmt.Sprint("replica ", i), env, "unshare", args...)}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.servers[i] = s
}

// send sends events to a replica while it is healthy.
func (c *replicas) send(i int) {
	for n := i; ; n += len(c.servers) {
		select {
		case <-c.stop:
			return
		case <-time.After(150 * time.Millisecond):
		}
		c.mu.Lock()
		s := c.servers[i]
		c.mu.Unlock()
		if !c.healthy[i].Load() {
			continue
		}
		body := fmt.Appendf(nil, `{"title":"disk %d full","key":"disk-%d","service":"s%d","severity":"critical"}`, n, n, n%replicaServices)
		got, err := s.api.send(ownKey, body)
		if err != nil {
			continue // nothing was promised
		}
		c.mu.Lock()
		c.sent = append(c.sent, sentEvent{got.Incident, time.Now()})
		c.mu.Unlock()
	}
}

// round gives a replica a fault for a while, ends it, and waits until all is as
// before. It tells whether it is.
func (c *replicas) round(fault string, lasts time.Duration, n int) (ok bool) {
	t := c.t
	t.Helper()
	time.Sleep(1500 * time.Millisecond)
	victim := n % len(c.servers)
	s := c.servers[victim]
	at := faultAt{name: fault, victim: victim, from: time.Now()}
	switch fault {
	case "kill":
		s.kill()
	case "stop":
		s.cmd.Process.Signal(syscall.SIGSTOP)
	case "no database, silent":
		c.toDB[victim].set("hole")
	case "no database, reset":
		c.toDB[victim].set("reset")
	case "no internet, silent":
		c.toPager[victim].set("hole")
	case "no internet, reset":
		c.toPager[victim].set("reset")
	}
	internet := strings.HasPrefix(fault, "no internet") // intake goes on, and its pages are due as well
	c.healthy[victim].Store(internet)
	time.Sleep(time.Until(at.from.Add(lasts)))
	switch fault {
	case "kill":
		c.launch(victim)
		s = c.servers[victim]
	case "stop":
		s.cmd.Process.Signal(syscall.SIGCONT)
	default:
		c.toDB[victim].set("")
		c.toPager[victim].set("")
	}
	at.to = time.Now()
	if fault == "kill" {
		if err := s.await(); err != nil {
			t.Error(err)
			return false
		}
	}
	c.mu.Lock()
	c.faults = append(c.faults, at)
	c.mu.Unlock()
	if err := eventually(60*time.Second, func() error { return s.get("/readyz", nil) }); err != nil {
		t.Errorf("%s is not ready after %s: %v", s.name, fault, err)
		return false
	}
	c.healthy[victim].Store(true)

	// Whatever was due within this round must be there soon.
	c.mu.Lock()
	due := slices.Clone(c.sent)
	c.mu.Unlock()
	var longest time.Duration
	err := eventually(60*time.Second, func() error {
		first := map[string]time.Time{}
		for _, p := range c.pages() {
			if _, ok := first[p.incident]; !ok {
				first[p.incident] = p.at
			}
		}
		longest = 0
		for _, e := range due {
			arrived, ok := first[e.incident]
			if !ok {
				return fmt.Errorf("incident %s of %s was not paged", e.incident, clock(e.at))
			}
			if e.at.After(at.from.Add(-2 * time.Second)) {
				longest = max(longest, arrived.Sub(e.at))
			}
		}
		return nil
	})
	if err != nil {
		t.Errorf("%s of replica %d at %s: %v", fault, victim, clock(at.from), err)
	}
	c.delays = append(c.delays, longest)
	return err == nil
}

// pages are the pages so far, in the order of arrival.
func (c *replicas) pages() (all []sentPage) {
	for _, r := range c.webhook.Requests() {
		var body struct {
			Type     string
			Repeat   int
			Incident struct{ ID string }
		}
		if json.Unmarshal(r.Body, &body) != nil || body.Type != "incident.page" {
			continue
		}
		p := sentPage{page: page{at: r.At, id: r.ID, incident: body.Incident.ID, repeat: body.Repeat}}
		if r.Err != nil {
			c.t.Errorf("page %s is not believed: %v", r.ID, r.Err)
		}
		fmt.Sscanf(r.Header.Get("X-By"), "127.0.77.%d:", &p.by)
		p.by--
		all = append(all, p)
	}
	return all
}

// How long after a fault something may still happen because of it.
const (
	leaseEnds = 6 * time.Second  // the replica that has it sends nothing more
	aftermath = 30 * time.Second // what was on its way is sent again
)

// drained returns what still waits to be sent.
func (c *replicas) drained() error {
	db, err := sql.Open("pgx", c.database)
	if err != nil {
		return err
	}
	defer db.Close()
	var n int
	if err := db.QueryRow(`SELECT count(*) FROM outbox WHERE state = 'pending' AND kind = 'page'`).Scan(&n); err != nil {
		return err
	}
	if n > 0 {
		return fmt.Errorf("%d pages wait still", n)
	}
	return nil
}

// end stops the load and judges all pages.
func (c *replicas) end(fault string, timed bool) {
	t := c.t
	c.halt()
	if err := eventually(60*time.Second, c.drained); err != nil {
		t.Error(err)
	}
	time.Sleep(2 * time.Second) // what would come twice comes about now
	pages := c.pages()
	byID := map[string][]sentPage{}
	paged := map[string]bool{}
	for _, p := range pages {
		byID[p.id] = append(byID[p.id], p)
		paged[p.incident] = true
	}
	for _, e := range c.sent {
		if !paged[e.incident] {
			t.Errorf("incident %s was never paged", e.incident)
		}
	}
	repeats := 0
	for id, list := range byID {
		again := map[time.Time]bool{} // by the fault's beginning
		for i, p := range list[1:] {
			repeats++
			before := list[i]
			fault, ok := c.faultBetween(before.at, p.at)
			switch {
			case !ok:
				t.Errorf("page %s came at %s and at %s, and there was no fault", id, clock(before.at), clock(p.at))
			case p.repeat == 0:
				t.Errorf("page %s came at %s by %d, and again at %s by %d and does not say so; %s of %d from %s to %s",
					id, clock(before.at), before.by, clock(p.at), p.by, fault.name, fault.victim, clock(fault.from), clock(fault.to))
			case again[fault.from]:
				t.Errorf("page %s came more than once again because of one fault (%s at %s), at %s", id, fault.name, clock(fault.from), clock(p.at))
			case p.by == fault.victim && p.at.After(fault.from.Add(leaseEnds)) && before.by != p.by:
				t.Errorf("page %s was sent by another at %s, and at %s by the replica that had the fault (%s) from %s to %s",
					id, clock(before.at), clock(p.at), fault.name, clock(fault.from), clock(fault.to))
			}
			again[fault.from] = true
		}
	}
	for _, p := range pages {
		for _, f := range c.faults {
			if p.by == f.victim && p.at.After(f.from.Add(leaseEnds)) && p.at.Before(f.to) {
				t.Errorf("page %s was sent at %s by a replica that had a fault (%s) from %s to %s", p.id, clock(p.at), f.name, clock(f.from), clock(f.to))
			}
		}
	}
	c.judgeRows()
	if len(c.delays) == 0 {
		return
	}
	slices.Sort(c.delays)
	most := 25 * time.Second // less than the leases of the rows
	if timed {
		most = 10 * time.Second
	}
	if worst := c.delays[len(c.delays)-1]; worst > most {
		t.Errorf("%s: a page waited for %v", fault, worst)
	}
	if len(c.sent) < 20 {
		t.Errorf("only %d events were accepted", len(c.sent))
	}
	var show []string
	for _, d := range c.delays {
		show = append(show, fmt.Sprintf("%.1f", d.Seconds()))
	}
	t.Logf("%s: %d faults, %d events, %d pages, %d repeats, %v; the longest wait of each round in seconds: %s",
		fault, len(c.faults), len(c.sent), len(pages), repeats, time.Since(c.begun).Round(time.Second), strings.Join(show, " "))
}

// faultBetween finds the fault because of which something that came at an instant
// may have come again at a later one.
func (c *replicas) faultBetween(from, to time.Time) (faultAt, bool) {
	for _, f := range c.faults {
		if to.After(f.from) && from.Before(f.to.Add(slack)) && to.Sub(f.to) < aftermath {
			return f, true
		}
	}
	return faultAt{}, false
}

// judgeRows looks at the database: each page has one receipt, of the attempt that
// its row says was the last one, and no unit was committed on an old state.
func (c *replicas) judgeRows() {
	t := c.t
	t.Helper()
	db, err := sql.Open("pgx", c.database)
	if err != nil {
		t.Error(err)
		return
	}
	defer db.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for what, query := range map[string]string{
		"pages whose receipt is of an old attempt, or that have several": `
			SELECT count(*) FROM (
				SELECT o.id FROM outbox AS o LEFT JOIN timeline AS t ON t.incident = o.incident AND t.kind = 'notified' AND t.body::json->'data'->>'key' = o.id
				WHERE o.kind = 'page' GROUP BY o.id, o.attempt, o.state
				HAVING count(t.seq) <> 1 OR o.state <> 'sent' OR min(coalesce((t.body::json->'data'->>'attempt')::bigint, 0)) <> o.attempt
			) AS wrong`,
		"pages": `SELECT -count(*) FROM outbox WHERE kind = 'page'`,
		"incidents whose row is not at the end of its timeline": `
			SELECT count(*) FROM incidents AS i WHERE (i.body::json->>'seq')::bigint <> (SELECT max(seq) FROM timeline WHERE incident = i.id)`,
		"rows that somebody still holds": `SELECT count(*) FROM outbox WHERE state = 'pending' AND kind = 'page'`,
	} {
		var n int64
		if err := db.QueryRowContext(ctx, query).Scan(&n); err != nil {
			t.Errorf("%s: %v", what, err)
			return
		}
		if what == "pages" && n == 0 || n > 0 {
			t.Errorf("%s: %d", what, max(n, -n))
		}
	}
}
