package engine

import (
	"fmt"
	"maps"
	"slices"

	"github.com/musterhq/muster/detect"
	"github.com/musterhq/muster/store"
)

// A ruleStop is why a rule is left out: it met a defect. The next configuration
// that is applied lets it run again, and so does a restart.
type ruleStop struct {
	revision int64 // of the configuration that it is left out of
	why      string
}

// stopRule leaves a rule out that met a defect in this turn, so that the others
// go on. What they counted in this turn comes again.
func (e *Engine) stopRule(s *setup, slug string) error {
	e.rules.stops[s.org.ID+"/"+slug] = ruleStop{s.revision, "it met " + errPanic.Error() + ", at " + now().Format("2006-01-02 15:04:05 MST")}
	return fmt.Errorf("%w: rule %s met a defect and is stopped", store.ErrBusy, slug)
}

// stopped says why a rule is left out, or "".
func (r *rules) stopped(s *setup, slug string) string {
	key := s.org.ID + "/" + slug
	stop, ok := r.stops[key]
	if ok && stop.revision != s.revision {
		delete(r.stops, key)
		return ""
	}
	return stop.why
}

// names are the slugs of trackers.
func (w *watch) names(trackers []*detect.Tracker) []string {
	names := make([]string, len(trackers))
	for _, slug := range slices.Sorted(maps.Keys(w.trackers)) {
		if i := slices.Index(trackers, w.trackers[slug]); i >= 0 {
			names[i] = slug
		}
	}
	return names
}

func ruleStation(slug string) string { return "rule " + slug }
