package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/vendortest"
)

// webhookSecret signs what the pager receives.
const webhookSecret = "whsec_ZTJlLXBhZ2VyLWUyZS1wYWdlci1lMmUtcGFnZXI="

// A pager receives pages as webhooks, and lives on when servers die.
type pager struct {
	URL string
	*vendortest.Webhook
	slow time.Duration // before each answer

	mu   sync.Mutex
	read int
	all  []page
}

// A page is one request that reached the pager.
type page struct {
	at       time.Time
	path     string
	id       string // the header webhook-id
	incident string
	repeat   int
	wrong    string // why it is not believed
}

func newPager(t *testing.T, slow time.Duration) *pager {
	p := &pager{Webhook: vendortest.NewWebhook(time.Now, webhookSecret), slow: slow}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.Webhook.ServeHTTP(w, r)
		time.Sleep(p.slow)
	}))
	t.Cleanup(s.Close)
	p.URL = s.URL
	return p
}

// pages returns all pages so far, in the order of arrival; edits of what was
// sent are left out.
func (p *pager) pages() []page {
	p.mu.Lock()
	defer p.mu.Unlock()
	requests := p.Requests()
	for _, r := range requests[p.read:] {
		var body struct {
			Type     string
			Repeat   int
			Incident struct{ ID string }
		}
		got := page{at: r.At, path: r.Path, id: r.ID}
		if err := json.Unmarshal(r.Body, &body); err != nil {
			got.wrong = err.Error()
		} else if r.Err != nil {
			got.wrong = r.Err.Error()
		}
		got.incident, got.repeat = body.Incident.ID, body.Repeat
		if got.wrong != "" || body.Type == "incident.page" {
			p.all = append(p.all, got)
		}
	}
	p.read = len(requests)
	return append([]page(nil), p.all...)
}
