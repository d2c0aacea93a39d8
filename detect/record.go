package detect

import "time"

// Field is one named value of a record.
type Field struct {
	Name  string
	Value []byte
}

// Record is one log line reduced to the fields that rules need. One Record is
// made to be used again for many lines: nothing here keeps it, or the bytes of
// its values, after a call returns.
type Record struct {
	Time   time.Time
	Fields []Field
}

// Reset empties the record and keeps its memory.
func (r *Record) Reset() {
	r.Time = time.Time{}
	r.Fields = r.Fields[:0]
}

// Add appends a field; the value is not copied. Of two fields of one name the
// first counts.
func (r *Record) Add(name string, value []byte) {
	r.Fields = append(r.Fields, Field{name, value})
}

// Get returns the value of a field and whether the record has it.
func (r *Record) Get(name string) ([]byte, bool) {
	for i := range r.Fields {
		if r.Fields[i].Name == name {
			return r.Fields[i].Value, true
		}
	}
	return nil, false
}

// second returns the bucket of an instant: the first whole second (Unix) at
// which a record of that instant counts. One at 12:00:00.4 counts from
// 12:00:01 on, one at 12:00:00 at once.
func second(t time.Time) int64 {
	s := t.Unix()
	if t.Nanosecond() > 0 {
		s++
	}
	return s
}

func at(second int64) time.Time { return time.Unix(second, 0).UTC() }
