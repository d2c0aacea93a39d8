package store_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/store"
)

// testTurns: while one organization floods, what another sends waits for one of
// its units and not for all of them.
func testTurns(t *testing.T, f fixture) {
	entered, release := make(chan struct{}), make(chan struct{})
	var once, wg = sync.Once{}, sync.WaitGroup{}
	var mu sync.Mutex
	var order []string
	take := func(org string, n int) {
		waiting := f.Queued()
		wg.Go(func() {
			err := f.Write(t.Context(), func(*store.Tx) error {
				mu.Lock()
				defer mu.Unlock()
				order = append(order, fmt.Sprint(org, n))
				return nil
			}, store.Events(200, store.AlertKey{Org: org, Integration: "i", Key: fmt.Sprint(n)}))
			if err != nil {
				t.Error(err)
			}
		})
		for f.Queued() == waiting {
			time.Sleep(time.Millisecond)
		}
	}
	wg.Go(func() {
		if err := f.Write(t.Context(), func(*store.Tx) error { once.Do(func() { close(entered) }); <-release; return nil }); err != nil {
			t.Error(err)
		}
	})
	<-entered
	for n := range 6 {
		take("noisy", n)
	}
	for n := range 2 {
		take("quiet", n)
	}
	take("third", 0)
	close(release)
	wg.Wait()
	want := "noisy0 quiet0 third0 noisy1 quiet1 noisy2 noisy3 noisy4 noisy5"
	if got := strings.Join(order, " "); got != want {
		t.Errorf("taken in the order %s, want %s", got, want)
	}
}
