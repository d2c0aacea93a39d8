package vendortest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/vendortest"
)

func TestWebhookReceiver(t *testing.T) {
	clock := newClock()
	key := []byte("0123456789abcdef01234567")
	s := vendortest.NewWebhook(clock.now, "whsec_"+base64.StdEncoding.EncodeToString(key))
	server := httptest.NewServer(s)
	defer server.Close()

	send := func(method, id, body string, age time.Duration, signWith []byte) int {
		req, _ := http.NewRequest(method, server.URL+"/hook", strings.NewReader(body))
		stamp := strconv.FormatInt(clock.now().Add(-age).Unix(), 10)
		mac := hmac.New(sha256.New, signWith)
		mac.Write([]byte(id + "." + stamp + "." + body))
		req.Header.Set("webhook-id", id)
		req.Header.Set("webhook-timestamp", stamp)
		req.Header.Set("webhook-signature", "v2,eA== v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	for _, tt := range []struct {
		name, method, id string
		age              time.Duration
		key              []byte
		want             int
	}{
		{"good", "POST", "m1", 0, key, 204},
		{"again", "POST", "m1", 0, key, 204},
		{"old", "POST", "m2", 5*time.Minute + time.Second, key, 401},
		{"from the future", "POST", "m2", -5*time.Minute - time.Second, key, 401},
		{"wrong key", "POST", "m2", 0, []byte("another key of enough length"), 401},
		{"not a POST", "PUT", "m2", 0, key, 405},
		{"no id", "POST", "", 0, key, 401},
	} {
		if got := send(tt.method, tt.id, `{"a":1}`, tt.age, tt.key); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
	got := s.Requests()
	if len(got) != 7 || got[0].Err != nil || got[0].Before != 0 || got[1].Before != 1 || string(got[0].Body) != `{"a":1}` {
		t.Errorf("requests %+v", got)
	}
	s.Fail(1, vendortest.Fault{Kind: vendortest.FaultStatus, Code: "503"})
	if got := send("POST", "m3", "", 0, key); got != 503 || len(s.Requests()) != 7 {
		t.Errorf("on request: %d", got)
	}
	s.Fail(1, vendortest.Fault{Kind: vendortest.FaultReset})
	if got := send("POST", "m3", "", 0, key); got != 0 {
		t.Errorf("reset: %d", got)
	}
}
