package engine

import (
	"slices"
	"testing"

	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/notify"
	"github.com/musterhq/muster/store"
)

// TestStandStill: what is not even put into the outbox would have been dropped
// there, whatever the message showed before.
func TestStandStill(t *testing.T) {
	statuses := []incident.Status{incident.Triggered, incident.Acknowledged, incident.Snoozed, incident.Resolved}
	still := 0
	for _, now := range statuses {
		for _, kind := range notify.Kinds {
			if !slices.Contains(standStill(now), kind.Name) {
				continue
			}
			still++
			for _, before := range statuses {
				if worthTelling(store.Message{Channel: kind.Name, Status: string(before)}, incident.Incident{Status: now}) {
					t.Errorf("%s of a message that showed %q: worth telling of %q, but stands still", kind.Name, before, now)
				}
			}
		}
	}
	if still == 0 {
		t.Error("no channel ever stands still")
	}
}
