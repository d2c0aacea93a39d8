package store

// turns is where units of intake wait: a line for each organization, and the
// organizations take turns, a unit each. So one that floods waits for itself,
// and what another sends is in the next commit.
type turns struct {
	lines   map[string][]*unit // by organization; none is empty
	order   []string           // the organizations with a line, the next first
	waiting int                // units in all lines
}

func (t *turns) put(u *unit) {
	org := u.org()
	if t.lines == nil {
		t.lines = map[string][]*unit{}
	}
	if len(t.lines[org]) == 0 {
		t.order = append(t.order, org)
	}
	t.lines[org] = append(t.lines[org], u)
	t.waiting++
}

// first returns the unit whose turn it is, or nil.
func (t *turns) first() *unit {
	if len(t.order) == 0 {
		return nil
	}
	return t.lines[t.order[0]][0]
}

// next takes the unit whose turn it is, or returns nil.
func (t *turns) next() *unit {
	u := t.first()
	if u == nil {
		return nil
	}
	org := t.order[0]
	t.order = rest(t.order, 1)
	if t.lines[org] = rest(t.lines[org], 1); len(t.lines[org]) > 0 {
		t.order = append(t.order, org)
	} else {
		delete(t.lines, org)
	}
	t.waiting--
	return u
}

// all takes everything, in turn.
func (t *turns) all() (units []*unit) {
	for u := t.next(); u != nil; u = t.next() {
		units = append(units, u)
	}
	return units
}

// org is whose events the unit takes in. Units that name no key share one line.
func (u *unit) org() string {
	if len(u.keys) == 0 {
		return ""
	}
	return u.keys[0].Org
}
