package detect

import "time"

type Condition struct{}

type SyntaxError struct {
	Offset int
	Detail string
}

func (e *SyntaxError) Error() string                { return e.Detail }
func ParseCondition(text string) (Condition, error) { return Condition{}, nil }
func (c Condition) Fields() []string                { return nil }
func (c Condition) String() string                  { return "" }
func (c Condition) Match(rec *Record) bool          { return false }
func ParseFraction(text string) (float64, error)    { return 0, nil }

type Field struct {
	Name  string
	Value []byte
}
type Record struct {
	Time   time.Time
	Fields []Field
}
type Tracker struct{}
type Change struct {
	Series             string
	Labels             map[string]string
	At                 time.Time
	From, To           State
	Episode            time.Time
	Bad, Total         int64
	Ratio              float64
	PeakBad, PeakTotal int64
}
type Bucket struct {
	Series     string
	Second     int64
	Bad, Total int64
}
type Snapshot struct{}

func NewTracker(r Rule) *Tracker                                               { return &Tracker{} }
func Restore(r Rule, s Snapshot, buckets []Bucket) *Tracker                    { return &Tracker{} }
func (t *Tracker) Observe(rec *Record)                                         {}
func (t *Tracker) Advance(now time.Time) []Change                              { return nil }
func (t *Tracker) Late() int64                                                 { return 0 }
func (t *Tracker) Dirty() []Bucket                                             { return nil }
func (t *Tracker) Snapshot() Snapshot                                          { return Snapshot{} }
func (t *Tracker) Counts(series string, from, to time.Time) (bad, total int64) { return 0, 0 }
