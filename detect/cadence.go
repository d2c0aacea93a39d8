package detect

import (
	"math"
	"time"
)

// A Cadence learns how often something is heard of, by the receiver's clock, to
// tell when its silence is longer than it ever is. The zero Cadence has learnt
// nothing yet.
type Cadence struct {
	last time.Time
	gaps [cadenceBuckets]uint32 // how many gaps were in each bucket
	n    uint32
}

const (
	cadenceBuckets = 64    // each reaches √2 times as far as the one before, from a millisecond on: to 25 days
	cadenceEnough  = 20    // gaps, before it judges
	cadenceMemory  = 4_000 // gaps, after which half of them are forgotten: habits change
)

// Hear notes that something was heard at an instant.
func (c *Cadence) Hear(at time.Time) {
	if !c.last.IsZero() && at.After(c.last) {
		c.gaps[bucketOf(at.Sub(c.last))]++
		if c.n++; c.n >= cadenceMemory {
			c.n = 0
			for i := range c.gaps {
				c.gaps[i] /= 2
				c.n += c.gaps[i]
			}
		}
	}
	if at.After(c.last) {
		c.last = at
	}
}

// Heard returns when it was heard last; the zero instant is never.
func (c *Cadence) Heard() time.Time { return c.last }

// Usual returns the gap that 99 of 100 do not exceed, rounded up by at most √2,
// and false while too little was heard to tell.
func (c *Cadence) Usual() (time.Duration, bool) {
	if c.n < cadenceEnough {
		return 0, false
	}
	var sum uint32
	for i, n := range c.gaps {
		if sum += n; uint64(sum)*100 >= uint64(c.n)*99 {
			return reachOf(i), true
		}
	}
	return reachOf(cadenceBuckets - 1), true
}

// Silent tells whether it has been quiet for longer than three times its usual
// gap, and than the given time at least.
func (c *Cadence) Silent(now time.Time, least time.Duration) bool {
	usual, known := c.Usual()
	return known && now.Sub(c.last) > max(3*usual, least)
}

func bucketOf(gap time.Duration) int {
	i := int(math.Ceil(2 * math.Log2(float64(gap)/float64(time.Millisecond))))
	return min(max(i, 0), cadenceBuckets-1)
}

// reachOf is the longest gap of a bucket.
func reachOf(i int) time.Duration {
	return time.Duration(math.Pow(2, float64(i)/2) * float64(time.Millisecond))
}
