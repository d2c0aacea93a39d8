package engine

import (
	"slices"

	"github.com/musterhq/muster/store"
)

// The stations of what the engine does: points between which a crash may fall.
// Those of a commit, which lie between the two of a pair, are the store's.
const (
	stationAccepted = "accepted" // an event was read; nothing of it is in a commit
	stationAnswered = "answered" // it is on disk; its sender has no answer

	stationDue      = "due"      // an incident is due; nobody looked at it
	stationAdvanced = "advanced" // it moved on in memory; nothing of that is in a commit
	stationSaved    = "saved"    // the move is on disk

	stationClaim   = "claim"   // something must leave; nobody claimed it
	stationClaimed = "claimed" // it is leased; it was not looked at
	stationSending = "sending" // it is about to be sent
	stationSent    = "sent"    // its receiver has it; no receipt is in a commit
	stationReceipt = "receipt" // the receipt is on disk

	stationCounted = "counted" // log lines were counted; nothing of that is in a commit
	stationJudged  = "judged"  // counts, positions and events are on disk

	stationRunClaimed = "run-claimed" // a run is leased; nothing of it was done
	stationRunBegun   = "run-begun"   // that a step begins is on disk; it was not applied
	stationRunApplied = "run-applied" // the step was applied; nothing of that is in a commit
	stationRunLooked  = "run-looked"  // the step was looked at; nothing of that is in a commit
	stationRunMoved   = "run-moved"   // the run's move is on disk
)

// Stations are the names that Deps.At is called with.
func Stations() []string {
	return slices.Concat(store.Stations(), []string{
		stationAccepted, stationAnswered, stationDue, stationAdvanced, stationSaved,
		stationClaim, stationClaimed, stationSending, stationSent, stationReceipt, stationCounted, stationJudged,
		stationRunClaimed, stationRunBegun, stationRunApplied, stationRunLooked, stationRunMoved,
	})
}

// begins is the station at which a turn of a loop begins: tests let a loop panic
// there.
func (e *Engine) begins(loop string) { e.At(turnStation(loop)) }

func turnStation(loop string) string { return "turn " + loop }
