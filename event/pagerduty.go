package event

import (
	"encoding/json"
	"net/http"
)

// PagerDuty is a source.
var PagerDuty = Source{Name: "pagerduty", Read: readPagerDuty}

func readPagerDuty(_ http.Header, body []byte) ([]Event, error) {
	var e Event
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, Errors{{Line: 1, Column: 1, Detail: err.Error()}}
	}
	return []Event{e}, nil
}

// ReadChange reads the body of PagerDuty's /v2/change/enqueue.
func ReadChange(h http.Header, body []byte) ([]Event, error) {
	return readPagerDuty(h, body)
}
