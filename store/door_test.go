package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A far is a server that is there or not, and counts who comes.
type far struct {
	driver.Connector
	mu    sync.Mutex
	away  bool
	tries int
}

func (f *far) Connect(context.Context) (driver.Conn, error) {
	time.Sleep(10 * time.Millisecond)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tries++
	if f.away {
		return nil, errors.New("away")
	}
	return nil, nil
}

// TestDoor lets a hundred ask for connections, again and again, while the
// server is away for ten seconds.
func TestDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &far{}
		d := &door{Connector: f}
		if _, err := d.Connect(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.away = true
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		var asking sync.WaitGroup
		for range 100 {
			asking.Go(func() {
				for ctx.Err() == nil {
					if _, err := d.Connect(t.Context()); err == nil {
						t.Error("a connection to nobody")
					}
					time.Sleep(time.Millisecond)
				}
			})
		}
		asking.Wait()
		// All who came before it was known, and five a second.
		if f.tries < 140 || f.tries > 160 {
			t.Errorf("%d tries, want about 150", f.tries)
		}
		f.away = false
		time.Sleep(shutFor)
		for range 10 {
			if _, err := d.Connect(t.Context()); err != nil {
				t.Errorf("it is back: %v", err)
			}
		}
	})
}
