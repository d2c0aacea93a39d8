package store

import "github.com/musterhq/muster/incident"

// A cache keeps alerts and open incidents that commits have read or written
// lately, decoded, so that a storm need not decode the same few rows for each of
// its commits. It is never believed: each commit asks the database for the
// versions of what it is about to use, and every writer of a row counts its
// version up, here, on another replica, or in another release of this program.
// So it cannot be stale, only useless. What it holds is never changed.
type cache struct {
	alerts    recent[AlertKey, *incident.Alert]
	incidents recent[groupKey, *incident.Incident] // the open one of a group
}

// How much is kept at most, twice over: about 20 MB in all.
const (
	cachedAlerts    = 8192
	cachedIncidents = 1024
)

func newCache() *cache {
	return &cache{
		alerts:    recent[AlertKey, *incident.Alert]{limit: cachedAlerts},
		incidents: recent[groupKey, *incident.Incident]{limit: cachedIncidents},
	}
}

// committed takes over what a transaction has read and written. It is called
// when the COMMIT has been answered, and only then: a version that was rolled
// back will be given to something else. From then on the rows are the cache's.
func (c *cache) committed(s staged) {
	for key, row := range s.alerts {
		switch {
		case row.dirty:
			row.stored = nil // or each version would hold on to the one before
			c.alerts.put(key, &row.alert)
		case row.stored != nil:
			c.alerts.put(key, row.stored)
		}
	}
	for _, row := range s.incidents {
		key := groupKey{row.incident.Org, row.incident.GroupKey}
		switch {
		case !row.incident.Open():
			if at, ok := c.incidents.get(key); ok && at.ID == row.incident.ID {
				c.incidents.drop(key)
			}
		case row.dirty:
			row.stored = nil
			c.incidents.put(key, &row.incident)
		default:
			c.incidents.put(key, row.stored)
		}
	}
}

// recent is a map of what was put or got last: at least limit entries, at most
// twice as many.
type recent[K comparable, V any] struct {
	limit      int
	young, old map[K]V
}

func (r *recent[K, V]) get(key K) (V, bool) {
	v, ok := r.young[key]
	if !ok {
		if v, ok = r.old[key]; ok {
			r.put(key, v)
		}
	}
	return v, ok
}

func (r *recent[K, V]) put(key K, v V) {
	if r.young == nil || len(r.young) >= r.limit {
		r.young, r.old = map[K]V{}, r.young
	}
	r.young[key] = v
}

func (r *recent[K, V]) drop(key K) {
	delete(r.young, key)
	delete(r.old, key)
}
