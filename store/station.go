package store

// The stations of a commit: points between which a crash may fall.
const (
	stationStaged    = "staged"    // the units have run; nothing of them was sent to the database
	stationFlushed   = "flushed"   // all rows are in the transaction; COMMIT was not asked for
	stationCommitted = "committed" // COMMIT was answered; nobody was told
	stationWoken     = "woken"     // the units are finished, and the loops know of what is due
)

// Stations are the names that OnStation's function is called with, in the order
// in which a commit passes them.
func Stations() []string {
	return []string{stationStaged, stationFlushed, stationCommitted, stationWoken}
}

// OnStation sets what is called at each of Stations: tests let the process die
// there. Set it before Run.
func (s *Store) OnStation(at func(station string)) { s.at = at }
