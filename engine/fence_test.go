package engine_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/notify"
)

// TestUnheardReplicaStopsSending: a replica that cannot tell the others that it
// lives cuts off what it has in flight, claims nothing more, and goes on once it is
// heard again; what was cut off is sent again and says so.
func TestUnheardReplicaStopsSending(t *testing.T) {
	t.Parallel()
	address := postgres(t)
	cut := make(chan error, 10)
	p := &probe{behave: func(ctx context.Context, address string, m notify.Message) error {
		if address != "slow" || m.Repeat > 0 {
			return nil
		}
		<-ctx.Done()
		cut <- context.Cause(ctx)
		return ctx.Err()
	}}
	r := start(t, address, options{channels: []notify.Kind{p.kind()}})
	r.apply(people(onePager, "slow", "ana"))
	r.trigger("key-of-slow", "k", "t")
	r.wait("the page is being sent", 10*time.Second, func() bool { return len(p.pages("slow")) == 1 })
	sqlOn(t, address, `ALTER TABLE replicas RENAME TO away`)
	begun := time.Now()
	select {
	case err := <-cut:
		if err == nil || !strings.Contains(err.Error(), "another may have taken over") {
			t.Errorf("it was cut off because of %v", err)
		}
	case <-time.After(15 * time.Second):
		t.Fatal("a page is being sent though nobody hears of its replica")
	}
	if after := time.Since(begun); after < 3*time.Second {
		t.Errorf("it was cut off after %v: one beat that fails is none", after)
	}
	r.trigger("key-of-ana", "k", "t")
	time.Sleep(1500 * time.Millisecond)
	if n := len(p.pages("")); n != 1 {
		t.Errorf("%d pages were sent by a replica that nobody hears of", n-1)
	}
	sqlOn(t, address, `ALTER TABLE away RENAME TO replicas`)
	r.wait("both pages", 20*time.Second, func() bool { return len(p.pages("slow")) == 2 && len(p.pages("ana")) == 1 })
	if again := p.pages("slow")[1]; again.repeat != 1 {
		t.Errorf("the page that was cut off came again as repeat %d", again.repeat)
	}
}
