package event_test

import (
	"errors"
	"fmt"

	"github.com/musterhq/muster/event"
)

func ExampleRead() {
	body := `{"title": "Disk full", "key": "web-1/disk", "severity": "P1"}`
	events, err := event.Read("muster", nil, []byte(body))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range events {
		fmt.Println(e.Action, e.Key, e.Severity, e.Warnings)
	}

	_, err = event.Read("muster", nil, []byte("{\n  \"action\": \"resolve\"}"))
	var list event.Errors
	if errors.As(err, &list) {
		fmt.Println(list[0].Line, list[0].Column, list[0].Pointer, list[0].Detail)
	}
	// Output:
	// trigger web-1/disk critical [{/severity severity "P1", taken as critical}]
	// 1 1 /key missing
}
