package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/pgtest"
)

// told are the messages of an emergency that reached a pager.
type toldMessage struct {
	at                  time.Time
	kind, status, title string
	facts               string
	body                string
}

func emergencies(p *pager) (list []toldMessage) {
	for _, r := range p.Requests() {
		var body struct {
			Type     string
			Incident struct{ ID, Status, Title string }
			Facts    []struct{ Name, Value string }
		}
		if json.Unmarshal(r.Body, &body) != nil || !strings.HasPrefix(body.Incident.ID, "emergency/") {
			continue
		}
		facts := ""
		for _, f := range body.Facts {
			facts += f.Name + "=" + f.Value + "\n"
		}
		list = append(list, toldMessage{r.At, body.Type, body.Incident.Status, body.Incident.Title, facts, string(r.Body)})
	}
	return list
}

// withOperators is a shop whose operators are told of emergencies.
func withOperators(pager string) string {
	return shop(pager, 1) + "operators: {emergency: [user:u0]}\n"
}

// ready asks a server whether it is.
func readyz(address string) (int, error) {
	resp, err := http.Get("http://" + address + "/readyz")
	if err != nil {
		return 0, err
	}
	resp.Body.Close()
	return resp.StatusCode, nil
}

// outage waits for the one message of an outage, and after the end for the one
// that it is over.
func outage(t *testing.T, p *pager, before int, began time.Time, reason string, end func()) {
	t.Helper()
	err := eventually(40*time.Second, func() error {
		if n := len(emergencies(p)); n <= before {
			return fmt.Errorf("%d messages", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	down := emergencies(p)[before]
	t.Logf("told %v after the database was gone: %s", down.at.Sub(began).Round(100*time.Millisecond), down.title)
	if down.kind != "incident.page" || down.status != "triggered" || !strings.Contains(down.title, "("+reason+")") {
		t.Errorf("told %+v", down)
	}
	end()
	ended := time.Now()
	err = eventually(60*time.Second, func() error {
		if n := len(emergencies(p)); n <= before+1 {
			return fmt.Errorf("nobody is told that it is over; %d messages", n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	over := emergencies(p)[before+1]
	t.Logf("told %v after it was back: %s", over.at.Sub(ended).Round(100*time.Millisecond), over.title)
	if over.kind != "incident.note" || over.status != "resolved" {
		t.Errorf("told %+v", over)
	}
	time.Sleep(2 * time.Second) // what is too much comes about now
	if n := len(emergencies(p)); n != before+2 {
		t.Errorf("%d messages of one outage: %+v", n-before, emergencies(p)[before:])
	}
}

// TestEmergency stops PostgreSQL under a server, and later starts a server while
// it is stopped: the operators are told once, and once that it is over.
func TestEmergency(t *testing.T) {
	t.Parallel()
	cluster, err := pgtest.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cluster.Stop() })
	p := newPager(t, 0)
	dir := t.TempDir()
	config := write(t, dir, "shop.yaml", withOperators(p.URL))
	contacts := filepath.Join(dir, "contacts")
	args := []string{"--config", config, "--contacts-file", contacts}
	s := serve(t, "muster", cluster.URL(), args...)

	if info, err := os.Stat(contacts); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("the contacts: %v, %v", info, err)
	}
	if text, _ := os.ReadFile(contacts); strings.Contains(string(text), "whsec") || strings.Contains(string(text), "http") {
		t.Errorf("the contacts can be read: %s", text)
	}
	halt := func() time.Time {
		t.Helper()
		if err := cluster.Halt("immediate"); err != nil {
			t.Fatal(err)
		}
		return time.Now()
	}
	resume := func() {
		t.Helper()
		if err := cluster.Resume(); err != nil {
			t.Fatal(err)
		}
	}
	began := halt()
	// What is refused is told, too, as far as it came before the message.
	evil := "disk \u202e<!channel> \u001b[31mfull " + strings.Repeat("x", 5000)
	body, _ := json.Marshal(map[string]string{"title": evil, "key": "refused", "severity": "critical"})
	if _, err := s.send(ownKey, body); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("an event is answered %v", err)
	}
	outage(t, p, 0, began, "gone", resume)
	down := emergencies(p)[0]
	if !strings.Contains(down.facts, "Events refused=1\n") || !strings.Contains(down.facts, "Refused=disk") {
		t.Errorf("what was refused is not told: %s", down.facts)
	}
	for _, hostile := range []string{"\u202e", "\u001b", strings.Repeat("x", 200)} {
		if strings.Contains(down.facts, hostile) {
			t.Errorf("%q is told", hostile)
		}
	}
	if _, err := s.send(ownKey, body); err != nil {
		t.Errorf("the sender tries again: %v", err)
	}
	s.stop(t)

	began = halt()
	address := freeAddress(t)
	waiting := launch(t, "started without", cluster.URL(), append(args, "--listen", address)...)
	err = eventually(20*time.Second, func() error {
		if code, err := readyz(address); code != http.StatusServiceUnavailable {
			return fmt.Errorf("readyz says %d, %v", code, err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	outage(t, p, 2, began, "gone", resume)
	if err := waiting.await(); err != nil {
		t.Fatal(err)
	}
	if code, err := readyz(address); code != http.StatusOK {
		t.Errorf("readyz says %d, %v", code, err)
	}
	if strings.Contains(waiting.output.String(), "whsec") || !strings.Contains(waiting.output.String(), "trying again until it can") {
		t.Errorf("it logged %s", tail(waiting.output.String(), 20))
	}
	waiting.stop(t)
}

// TestEmergencyFull fills the disk under a SQLite file.
func TestEmergencyFull(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"); err != nil {
		t.Skipf("not here: a disk that can be filled: %v", err)
	}
	t.Cleanup(func() { exec.Command("umount", "-l", dir).Run() })
	p := newPager(t, 0)
	config := write(t, t.TempDir(), "shop.yaml", withOperators(p.URL))
	s := serve(t, "muster", filepath.Join(dir, "muster.db"), "--config", config, "--contacts-file", filepath.Join(t.TempDir(), "contacts"))
	if _, err := s.send(ownKey, []byte(`{"title":"before","key":"before"}`)); err != nil {
		t.Fatal(err)
	}
	ballast := filepath.Join(dir, "ballast")
	f, err := os.Create(ballast)
	if err != nil {
		t.Fatal(err)
	}
	for chunk := make([]byte, 1<<16); len(chunk) > 0; {
		if _, err := f.Write(chunk); err != nil {
			chunk = chunk[:len(chunk)/2]
		}
	}
	f.Close()
	began := time.Now()
	stop, ended := make(chan struct{}), make(chan struct{})
	go func() { // as senders do: until the disk is full for the database as well
		defer close(ended)
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
				s.send(ownKey, fmt.Appendf(nil, `{"title":"more %s","key":"more-%d"}`, strings.Repeat("y", 2000), n))
			}
		}
	}()
	err = eventually(40*time.Second, func() error {
		if len(emergencies(p)) == 0 {
			return fmt.Errorf("nobody is told")
		}
		return nil
	})
	close(stop)
	<-ended
	if err != nil {
		t.Fatal(err)
	}
	outage(t, p, 0, began, "full", func() {
		if err := os.Remove(ballast); err != nil {
			t.Fatal(err)
		}
	})
	s.stop(t)
}
