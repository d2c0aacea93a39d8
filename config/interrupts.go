package config

import (
	"time"

	"go.yaml.in/yaml/v3"
)

// Interrupts says how often one person may be interrupted: so many pages and
// digests, over all contact methods, in so long. The zero value means the
// standard.
type Interrupts struct {
	AtMost    int
	Per       time.Duration
	Unlimited bool
}

// Limit returns how many interrupts there may be in how long; limited is false
// where there is no limit.
func (i Interrupts) Limit() (atMost int, per time.Duration, limited bool) {
	if i.AtMost == 0 {
		i.AtMost, i.Per = 6, 15*time.Minute
	}
	return i.AtMost, i.Per, !i.Unlimited
}

func (i Interrupts) standard() bool { return i == Interrupts{} }

// unlimited is how files write that there is no limit.
const unlimited = "unlimited"

// Two at least: the last one of a while is kept for what is critical.
const (
	leastInterrupts = 2
	mostInterrupts  = 1000
)

func readInterrupts(n node) Interrupts {
	o := n.object("at_most", "per")
	i := Interrupts{Per: 15 * time.Minute}
	if most, ok := o.need("at_most"); ok {
		if most.y.Kind == yaml.ScalarNode && most.y.Value == unlimited {
			return Interrupts{Unlimited: true}
		}
		i.AtMost = int(most.integer(leastInterrupts, mostInterrupts))
	}
	if per, ok := o.get("per"); ok {
		i.Per = per.duration(time.Minute, week)
	}
	return i
}

func writeInterrupts(_ writer, i Interrupts) *yaml.Node {
	m := mapping()
	if i.Unlimited {
		put(m, "at_most", scalar(unlimited))
		return m
	}
	put(m, "at_most", number(int64(i.AtMost)))
	put(m, "per", duration(i.Per))
	return m
}
