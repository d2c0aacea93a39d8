package incident

import (
	"slices"
	"time"
)

// A Budget says how often one person may be interrupted: at most so many pages
// and digests within Per, over all contact methods. A digest waits for Gather,
// so that one tells of all that comes at once. AtMost is at least 2.
type Budget struct {
	AtMost int
	Per    time.Duration
	Gather time.Duration
}

// An Interrupt is a page or a digest that reached a person, or is on its way.
type Interrupt struct {
	At       time.Time
	Contact  string
	Critical bool // it told of something critical
}

// A Queue is what waits for a person at one contact method.
type Queue struct {
	Contact  string
	Pages    int  // that are due and in no digest
	Critical int  // of them
	Digest   bool // one is due
}

// A Call is what leaves at once to one contact method: so many single pages,
// critical before others and newer before older, and the digest, which takes
// all other pages along.
type Call struct {
	Contact string
	Singles int
	Digest  bool
}

// A Judgement is what becomes of what waits for a person. Pages that no call
// takes are gathered into the digest of their contact method, and digests that
// no call takes wait; both are judged again at Again.
type Judgement struct {
	Calls []Call
	Again time.Time // zero if nothing is left
}

// burst is how many interrupts by one contact method within Gather may be single
// pages; what comes faster is gathered.
const burst = 2

// Judge decides what may interrupt a person now:
//
//   - The first interrupts of a while go out as they come, two thirds of the
//     budget. Each one after them waits longer for the one before, so that
//     some are left when a flood goes on: of six in 15 minutes four are free, the
//     fifth waits 2½ minutes and the sixth five.
//   - The last of the budget is kept for what is critical until something
//     critical was told of: the first critical page among others always leaves
//     at once, alone.
//   - More pages than may leave singly are gathered, and leave as one.
//
// What recently happened may be in any order.
func (b Budget) Judge(now time.Time, recent []Interrupt, waiting []Queue) Judgement {
	var j Judgement
	recent = slices.Clone(recent)
	calls := map[string]*Call{}
	call := func(contact string, critical bool) *Call {
		recent = append(recent, Interrupt{now, contact, critical})
		if calls[contact] == nil {
			calls[contact] = &Call{Contact: contact}
		}
		return calls[contact]
	}
	waiting = slices.Clone(waiting)
	b.leastRecentlyUsed(waiting, recent)

	if i := slices.IndexFunc(waiting, func(q Queue) bool { return q.Critical > 0 }); i >= 0 && !b.toldOfCritical(now, recent) && b.room(now, recent, true) > 0 {
		call(waiting[i].Contact, true).Singles++
		waiting[i].Pages--
		waiting[i].Critical--
	}
	if b.few(now, recent, waiting) {
		for i, q := range waiting {
			if q.Digest { // it takes them along
				continue
			}
			for n := range q.Pages {
				call(q.Contact, n < q.Critical).Singles++
			}
			waiting[i].Pages = 0
		}
	}
	left := false
	for _, q := range waiting {
		switch {
		case q.Digest && b.room(now, recent, false) > 0:
			call(q.Contact, q.Critical > 0).Digest = true
		case q.Digest || q.Pages > 0:
			left = true
		}
	}
	for _, q := range waiting { // in their order
		if c := calls[q.Contact]; c != nil {
			j.Calls = append(j.Calls, *c)
		}
	}
	if left {
		j.Again = b.next(now, recent)
	}
	return j
}

// leastRecentlyUsed sorts what waits so that each contact method has its turn.
func (b Budget) leastRecentlyUsed(waiting []Queue, recent []Interrupt) {
	used := map[string]time.Time{}
	for _, r := range recent {
		if r.At.After(used[r.Contact]) {
			used[r.Contact] = r.At
		}
	}
	slices.SortStableFunc(waiting, func(x, y Queue) int { return used[x.Contact].Compare(used[y.Contact]) })
}

// few tells whether all pages that wait may leave singly.
func (b Budget) few(now time.Time, recent []Interrupt, waiting []Queue) bool {
	soon := map[string]int{}
	for _, r := range recent {
		if r.At.After(now.Add(-b.Gather)) {
			soon[r.Contact]++
		}
	}
	singles := 0
	for _, q := range waiting {
		if q.Digest || q.Pages == 0 {
			continue
		}
		if singles += q.Pages; q.Pages+soon[q.Contact] > burst {
			return false
		}
	}
	return singles <= b.room(now, recent, false)
}

// toldOfCritical tells whether an interrupt within Per told of something critical.
func (b Budget) toldOfCritical(now time.Time, recent []Interrupt) bool {
	return slices.ContainsFunc(recent, func(r Interrupt) bool { return r.Critical && b.within(now, r) })
}

func (b Budget) within(now time.Time, r Interrupt) bool { return r.At.After(now.Add(-b.Per)) }

// room is how many interrupts may follow at once. The first that is critical
// does not wait for the one before it, and may be the last of the budget.
func (b Budget) room(now time.Time, recent []Interrupt, critical bool) int {
	used, last, told := 0, time.Time{}, false
	for _, r := range recent {
		if b.within(now, r) {
			used++
			told = told || r.Critical
			if r.At.After(last) {
				last = r.At
			}
		}
	}
	most := b.AtMost
	if !told && !critical {
		most--
	}
	kept := max(1, b.AtMost/3)
	free := b.AtMost - kept
	switch {
	case used >= most:
		return 0
	case used < free:
		return min(most, free) - used
	case critical && !told, !now.Before(last.Add(b.gap(used-free, kept))):
		return 1
	}
	return 0
}

// gap is what the n-th of the kept interrupts, counted from 0, waits after the
// one before it: 1, 2, 3 … parts of Per, and the parts after the last are left
// until the first interrupt is past.
func (b Budget) gap(n, kept int) time.Duration {
	parts := (kept + 1) * (kept + 2) / 2
	return b.Per * time.Duration(n+1) / time.Duration(parts)
}

// next is when there is room again, after a gathering at least.
func (b Budget) next(now time.Time, recent []Interrupt) time.Time {
	at := now.Add(b.Gather)
	kept := max(1, b.AtMost/3)
	var candidates []time.Time
	for _, r := range recent {
		candidates = append(candidates, r.At.Add(b.Per))
		for n := range kept {
			candidates = append(candidates, r.At.Add(b.gap(n, kept)))
		}
	}
	slices.SortFunc(candidates, time.Time.Compare)
	for _, c := range candidates {
		if b.room(at, recent, false) > 0 {
			break
		}
		if c.After(at) {
			at = c
		}
	}
	return at
}
