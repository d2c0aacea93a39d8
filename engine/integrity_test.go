package engine_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/notify"
)

// TestDamageIsTold: damage in a corner that nobody reads is found while all goes
// on, and the operators are told of it, once.
func TestDamageIsTold(t *testing.T) {
	t.Parallel()
	address, p := filepath.Join(t.TempDir(), "muster.db"), &probe{}
	first := start(t, address, options{channels: []notify.Kind{p.kind()}})
	first.apply(platform)
	first.end()
	const page = 4096
	root := number(t, address, `SELECT rootpage FROM sqlite_master WHERE name = 'complaints_old'`)
	file, err := os.OpenFile(address, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt(bytes.Repeat([]byte{0xa5}, page), (root-1)*page); err != nil {
		t.Fatal(err)
	}
	r := start(t, address, options{channels: []notify.Kind{p.kind()}, pace: engine.Pace{Check: time.Millisecond}})
	r.apply(platform)
	told := func() (n int) {
		for _, inc := range r.incidents() {
			if strings.Contains(inc.Title, "damaged, in table complaints") {
				n++
			}
		}
		return n
	}
	r.wait("the operators are told", 30*time.Second, func() bool { return told() > 0 })
	rounds := func() int { return strings.Count(r.log.String(), "the database is damaged") }
	before := rounds()
	r.wait("it is checked again", 30*time.Second, func() bool { return rounds() > before+1 })
	if told() != 1 {
		t.Errorf("the operators were told %d times", told())
	}
	r.trigger("the-only-key", "after all", "after all")
	r.wait("a page leaves", 20*time.Second, func() bool { return len(p.pages("ana")) > 0 })
}
