package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// An api is a server as its callers see it.
type api struct{ base, token string }

// client is not kept from one server to the next, but connections are: as
// senders have them.
var client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 32}}

// do makes a request and decodes the answer into out, if that is not nil.
// Anything but 2xx is an error.
func (a api) do(method, path string, body, out any) error {
	var send io.Reader
	switch body := body.(type) {
	case nil:
	case []byte:
		send = bytes.NewReader(body)
	default:
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		send = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, a.base+path, send)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.token)
	if send != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %.300s", method, path, resp.Status, answer)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

func (a api) get(path string, out any) error        { return a.do(http.MethodGet, path, nil, out) }
func (a api) post(path string, body, out any) error { return a.do(http.MethodPost, path, body, out) }

// An accepted is what a 202 says of one event.
type accepted struct{ Event, Key, Alert, Incident string }

// send sends one event with an integration's key.
func (a api) send(key string, body []byte) (accepted, error) {
	var answer struct{ Events []accepted }
	if err := (api{a.base, key}).post("/intake/events", body, &answer); err != nil {
		return accepted{}, err
	}
	if len(answer.Events) != 1 {
		return accepted{}, fmt.Errorf("202 for %d events, 1 was sent", len(answer.Events))
	}
	return answer.Events[0], nil
}

// sendMany sends a body with several events.
func (a api) sendMany(key string, body []byte) ([]accepted, error) {
	var answer struct{ Events []accepted }
	err := (api{a.base, key}).post("/intake/events", body, &answer)
	return answer.Events, err
}

// An incident is what these tests look at of one.
type incident struct {
	ID, Title, Status, Service string
	Number                     int64
	Firing, Alerts             int
	ResolvedBy                 string    `json:"resolved_by"`
	ResolvedAt                 time.Time `json:"resolved_at"`
}

// incidents lists all incidents.
func (a api) incidents() ([]incident, error) {
	return list[incident](a, "/api/v1/incidents", "incidents")
}

// An alert is what these tests look at of one.
type alert struct {
	ID, Key, Status, Incident, Title, Severity string
	Labels                                     map[string]string
	Count                                      int64
}

func (a api) alerts() ([]alert, error) { return list[alert](a, "/api/v1/alerts", "alerts") }

// list reads a listing, page by page.
func list[T any](a api, path, field string) (all []T, err error) {
	query := url.Values{"limit": {strconv.Itoa(100)}}
	for {
		var page map[string]json.RawMessage
		if err := a.get(path+"?"+query.Encode(), &page); err != nil {
			return nil, err
		}
		var part []T
		if err := json.Unmarshal(page[field], &part); err != nil {
			return nil, fmt.Errorf("GET %s: %s: %w", path, field, err)
		}
		all = append(all, part...)
		var next string
		if raw := page["next"]; raw != nil {
			if err := json.Unmarshal(raw, &next); err != nil {
				return nil, err
			}
		}
		if next == "" {
			return all, nil
		}
		query.Set("after", next)
	}
}
