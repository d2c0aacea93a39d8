package engine_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/internal/seal"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/store"
)

// An alarm is an Emergency with a database that the test breaks, and ana, who
// has a contact that never works and one that does.
type alarm struct {
	*engine.Emergency
	down  atomic.Bool
	fails atomic.Int64 // tries of the contact that works, which fail still
	tried atomic.Int64 // the contact that never works

	mu   sync.Mutex
	told []string
}

func newAlarm(t *testing.T) *alarm {
	a := &alarm{}
	dead := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		a.tried.Add(1)
		w.WriteHeader(http.StatusInternalServerError)
	}))
	good := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if a.fails.Add(-1) >= 0 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		var body struct {
			Type     string
			Incident struct{ Title string }
			Facts    []struct{ Name, Value string }
		}
		json.NewDecoder(r.Body).Decode(&body)
		text := body.Type
		for _, f := range body.Facts {
			if strings.HasSuffix(f.Name, "efused") {
				text += " " + f.Value
			}
		}
		a.mu.Lock()
		a.told = append(a.told, text)
		a.mu.Unlock()
	}))
	t.Cleanup(dead.Close)
	t.Cleanup(good.Close)
	way := func(name, url string) engine.Way {
		return engine.Way{Channel: "webhook", Connection: name, Settings: config.Connection{Kind: "webhook", Address: url}}
	}
	a.Emergency = &engine.Emergency{
		Wire:     wire.New(wire.Options{Now: time.Now, Allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}),
		Channels: notify.Kinds, Log: slog.New(slog.DiscardHandler), Node: "test", After: 20 * time.Millisecond,
		Contacts: func() []engine.Contact {
			return []engine.Contact{{Organization: "shop", User: "ana", Ways: []engine.Way{way("dead", dead.URL), {Channel: "gone"}, way("good", good.URL)}}}
		},
	}
	a.down.Store(true)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.Run(ctx, func() store.Health { return store.Health{OK: !a.down.Load(), Since: time.Now(), Reason: "gone"} })
	}()
	t.Cleanup(func() { stop(); <-ended })
	return a
}

func (a *alarm) messages() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]string(nil), a.told...)
}

func (a *alarm) wait(t *testing.T, n int) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); len(a.messages()) < n; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("told %q, want %d messages", a.messages(), n)
		}
	}
}

// TestEmergencyTellsOnce: by the first contact that takes it, once that it is
// so and once that it is over, with what was refused.
func TestEmergencyTellsOnce(t *testing.T) {
	t.Parallel()
	a := newAlarm(t)
	a.Refused(7, "one", "two", "three", "four", "five", "six\nand \u202eseven", strings.Repeat("x", 500))
	a.wait(t, 1)
	a.Refused(2, "nine") // of which nobody hears at once
	time.Sleep(300 * time.Millisecond)
	a.down.Store(false)
	a.wait(t, 2)
	time.Sleep(300 * time.Millisecond)
	long := strings.Repeat("x", 119) + "…"
	want := []string{
		"incident.page 7 " + long + " six and seven five four three",
		"incident.note 9 nine " + long + " six and seven five four",
	}
	if diff := cmp.Diff(want, a.messages()); diff != "" {
		t.Errorf("(-want +told)\n%s", diff)
	}
	if a.tried.Load() != 2 {
		t.Errorf("the contact before was tried %d times", a.tried.Load())
	}
}

// TestEmergencyIsBounded: a database that comes and goes does not ring all night.
func TestEmergencyIsBounded(t *testing.T) {
	t.Parallel()
	a := newAlarm(t)
	for outage := range 9 {
		a.wait(t, min(12, 2*outage+1))
		a.down.Store(false)
		a.wait(t, min(12, 2*outage+2))
		time.Sleep(50 * time.Millisecond)
		a.down.Store(true)
		a.Refused(1, "something") // has it look
	}
	time.Sleep(300 * time.Millisecond)
	if n := len(a.messages()); n != 12 {
		t.Errorf("%d messages within an hour", n)
	}
}

// TestContactsFile: whom to tell is kept sealed, follows the configuration, and
// is refused with another key, without a word of what is in it.
func TestContactsFile(t *testing.T) {
	t.Parallel()
	r := start(t, filepath.Join(t.TempDir(), "muster.db"), options{})
	file := r.Contacts
	configuration := func(emergency string) string {
		return fmt.Sprintf(`
organization: shop
users:
  ana: {contacts: {pager: {webhook: ''}}}
  bob: {contacts: {pager: {webhook: ''}}}
connections:
  pager: {webhook: "https://pager.example/geheim", secret: %s, allow: [10.0.0.0/8]}
operators: {emergency: [%s]}
`, webhookSecret, emergency)
	}
	key, err := seal.ParseKey(strings.Repeat("ab", 32))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); err == nil {
		t.Error("there are contacts before there is anybody")
	}
	for _, emergency := range []string{"user:ana", "user:ana, user:bob", ""} {
		r.apply(configuration(emergency))
		list, err := engine.ReadContacts(file, key)
		if err != nil {
			t.Fatal(err)
		}
		var users []string
		for _, c := range list {
			users = append(users, "user:"+c.User)
			if len(c.Ways) != 1 || c.Ways[0].Settings.Address != "https://pager.example/geheim" || c.Ways[0].Settings.Settings["secret"] != webhookSecret || len(c.Ways[0].Settings.Allow) != 1 {
				t.Errorf("contact %+v", c)
			}
		}
		if got := strings.Join(users, ", "); got != emergency {
			t.Errorf("kept %q, want %q", got, emergency)
		}
		text, err := os.ReadFile(file)
		if err != nil || strings.Contains(string(text), "geheim") || strings.Contains(string(text), "ana") {
			t.Errorf("the file says %s, %v", text, err)
		}
	}
	other, _ := seal.ParseKey(strings.Repeat("cd", 32))
	if _, err := engine.ReadContacts(file, other); err == nil || strings.Contains(err.Error(), "geheim") {
		t.Errorf("with another key: %v", err)
	}
}
