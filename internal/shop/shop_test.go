package shop_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/shop"
)

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// TestReleasesShowInTheLog checks that a broken release answers 500 for about
// its share of checkouts, that another release heals it, and that every request
// is one line of the log.
func TestReleasesShowInTheLog(t *testing.T) {
	var log lockedBuffer
	s := shop.New(time.Now, &log, shop.Release{Version: "v41"})
	server := httptest.NewServer(s)
	defer server.Close()

	count := func(visits int) (bad, checkouts int) {
		before := len(log.String())
		for range visits {
			r := httptest.NewRequest("GET", "/checkout", nil)
			s.ServeHTTP(httptest.NewRecorder(), r)
		}
		for _, text := range strings.Split(strings.TrimSpace(log.String()[before:]), "\n") {
			var l struct {
				Status int
				Path   string
			}
			if err := json.Unmarshal([]byte(text), &l); err != nil {
				t.Fatalf("%q: %v", text, err)
			}
			checkouts++
			if l.Status >= 500 {
				bad++
			}
		}
		return bad, checkouts
	}
	if bad, all := count(500); bad != 0 || all != 500 {
		t.Errorf("v41: %d of %d bad", bad, all)
	}
	s.Deploy(shop.Release{Version: "v42", Broken: 0.03})
	if bad, all := count(5000); bad < 75 || bad > 225 || all != 5000 {
		t.Errorf("v42: %d of %d bad, want about 150", bad, all)
	}
	s.Deploy(shop.Release{Version: "v41"})
	if bad, _ := count(500); bad != 0 {
		t.Errorf("v41 again: %d bad", bad)
	}
	s.Break(1)
	if bad, _ := count(10); bad != 10 {
		t.Errorf("broken for another reason: %d of 10 bad", bad)
	}

	before := strings.Count(log.String(), "\n")
	ctx, cancel := context.WithTimeout(context.Background(), 300*time.Millisecond)
	defer cancel()
	if err := shop.Traffic(ctx, server.URL, 200); err != nil {
		t.Error(err)
	}
	if n := strings.Count(log.String(), "\n") - before; n < 10 {
		t.Errorf("only %d requests of traffic", n)
	}
}
