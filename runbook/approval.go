package runbook

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// ApprovalState is where an approval stands.
type ApprovalState string

// The states of an approval. An empty state is one that was not asked for yet.
const (
	ApprovalNotNeeded ApprovalState = "not_needed" // the runbook asks nobody
	ApprovalWanted    ApprovalState = "wanted"
	ApprovalGiven     ApprovalState = "given"
	ApprovalUsed      ApprovalState = "used" // the run began on it; it cannot begin again
	ApprovalRejected  ApprovalState = "rejected"
	ApprovalExpired   ApprovalState = "expired"
)

// DefaultWithin is how long an approval is waited for, and how long it then
// holds, if the runbook does not say.
const DefaultWithin = 10 * time.Minute

// An Approval is who may say yes, and who did. It is bound to one hash, good
// for one run, and expires.
type Approval struct {
	By     []string      `json:"by,omitempty"`     // "team:payments", "user:ana", "schedule:x"; empty: nobody is asked
	Within time.Duration `json:"within,omitempty"` // nanoseconds; DefaultWithin if zero
	// Self allows who asked for the run to approve it as well.
	Self bool `json:"self,omitempty"`

	State     ApprovalState `json:"state,omitempty"`
	AskedAt   time.Time     `json:"asked_at,omitzero"`
	ExpiresAt time.Time     `json:"expires_at,omitzero"` // at this instant it is expired
	Hash      string        `json:"hash,omitempty"`      // what was said yes to
	DecidedBy string        `json:"decided_by,omitempty"`
	DecidedAt time.Time     `json:"decided_at,omitzero"`
	Reason    string        `json:"reason,omitempty"` // of a rejection
}

// A Person is who gives a command, as the engine knows them at that instant.
type Person struct {
	User      string   `json:"user"`                // slug
	Teams     []string `json:"teams,omitempty"`     // slugs
	Schedules []string `json:"schedules,omitempty"` // slugs of those where the shift is theirs now
}

// mayDecide says whether a person is among those who are asked.
func (a Approval) mayDecide(p Person) bool {
	if p.User == "" {
		return false
	}
	return slices.ContainsFunc(a.By, func(who string) bool {
		kind, name, _ := strings.Cut(who, ":")
		switch kind {
		case "user":
			return name == p.User
		case "team":
			return slices.Contains(p.Teams, name)
		case "schedule":
			return slices.Contains(p.Schedules, name)
		}
		return false
	})
}

// within is how long the approval is waited for, and holds.
func (a Approval) within() time.Duration {
	if a.Within > 0 {
		return a.Within
	}
	return DefaultWithin
}

// decided tells of the decision that was already taken, for errors.
func (a Approval) decided() string {
	at := clock(a.DecidedAt)
	switch a.State {
	case ApprovalRejected:
		return fmt.Sprintf("already rejected by %s at %s", a.DecidedBy, at)
	case ApprovalExpired:
		return "the approval expired at " + clock(a.ExpiresAt)
	case ApprovalNotNeeded:
		return "nobody is asked for an approval"
	case ApprovalUsed:
		if a.DecidedBy == "" {
			return "it has begun, and nobody was to be asked"
		}
		fallthrough
	default:
		return fmt.Sprintf("already approved by %s at %s", a.DecidedBy, at)
	}
}
