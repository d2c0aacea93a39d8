package event

import (
	"encoding/json"
	"net/http"
)

// Alertmanager is a source.
var Alertmanager = Source{Name: "alertmanager", Read: readAlertmanager}

func readAlertmanager(_ http.Header, body []byte) ([]Event, error) {
	var e Event
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, Errors{{Line: 1, Column: 1, Detail: err.Error()}}
	}
	return []Event{e}, nil
}
