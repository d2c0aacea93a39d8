// Package shop is the small real service that the demo watches: an HTTP shop
// that runs one of several releases, writes an access log of one JSON object a
// line, and is put under real traffic. It knows nothing of Muster.
package shop

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

// A Release is a version of the shop.
type Release struct {
	Version string  // v41
	SHA     string  // the commit it was built from
	Broken  float64 // share of checkouts that it answers 500, 0 to 1
}

// A Shop is a running shop. It is an http.Handler.
type Shop struct {
	now func() time.Time

	mu     sync.Mutex
	log    io.Writer
	live   Release
	broken float64 // at least this, whatever the release: the fault is not in the code
	owed   float64 // failures that a share of checkouts comes to and that are still to come
	deploy []Deploy
}

// A Deploy is a line of the shop's own record of what ran from when on.
type Deploy struct {
	At      time.Time
	Release Release
}

// New returns a shop that runs a release and writes its log to log.
func New(now func() time.Time, log io.Writer, first Release) *Shop {
	return &Shop{now: now, log: log, live: first}
}

// Deploy runs another release from now on.
func (s *Shop) Deploy(r Release) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.live = r
	s.deploy = append(s.deploy, Deploy{s.now(), r})
}

// Deploys returns what was deployed since the start, in order.
func (s *Shop) Deploys() []Deploy {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Deploy(nil), s.deploy...)
}

// Live returns the release that runs.
func (s *Shop) Live() Release {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.live
}

// Break makes checkouts fail whatever release runs.
func (s *Shop) Break(share float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = share
}

// fails tells whether this checkout is one of the share that fails: with 3 %,
// every 33rd or so, so that a short story is the same each time.
func (s *Shop) fails(share float64) bool {
	s.owed += share
	if s.owed < 1 {
		return false
	}
	s.owed--
	return true
}

// line is one line of the access log.
type line struct {
	Time    string  `json:"time"`
	Service string  `json:"service"`
	Version string  `json:"version"`
	Remote  string  `json:"remote_addr"`
	Method  string  `json:"method"`
	Path    string  `json:"path"`
	Status  int     `json:"status"`
	Bytes   int     `json:"bytes"`
	Seconds float64 `json:"request_time"`
}

// ServeHTTP answers as the release that runs would.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := s.now()
	s.mu.Lock()
	release, fails := s.live, max(s.live.Broken, s.broken)
	failed := r.URL.Path == "/checkout" && s.fails(fails)
	s.mu.Unlock()

	status, body := http.StatusOK, fmt.Sprintf("{\"shop\":%q}\n", release.Version)
	switch {
	case failed:
		status, body = http.StatusInternalServerError, "checkout: nil pointer\n"
	case r.URL.Path != "/" && r.URL.Path != "/cart" && r.URL.Path != "/checkout":
		status, body = http.StatusNotFound, "no such page\n"
	}
	w.WriteHeader(status)
	io.WriteString(w, body)

	entry, _ := json.Marshal(line{ // strings and numbers: cannot fail
		Time: begun.UTC().Format(time.RFC3339Nano), Service: "checkout", Version: release.Version, Remote: r.RemoteAddr,
		Method: r.Method, Path: r.URL.Path, Status: status, Bytes: len(body), Seconds: s.now().Sub(begun).Seconds(),
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.log.Write(append(entry, '\n'))
}

// Traffic sends requests to a shop, perSecond of them, until ctx is over. Two
// in three are checkouts.
func Traffic(ctx context.Context, url string, perSecond int) error {
	paths := [...]string{"/checkout", "/", "/checkout", "/cart", "/checkout", "/checkout"}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	tick := time.NewTicker(time.Second / time.Duration(perSecond))
	defer tick.Stop()
	slots := make(chan struct{}, 8)
	var running sync.WaitGroup
	defer running.Wait()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		slots <- struct{}{}
		running.Go(func() {
			defer func() { <-slots }()
			visit(ctx, client, url+paths[n%len(paths)])
		})
	}
}

func visit(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	return errors.Join(err, resp.Body.Close())
}
