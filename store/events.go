package store

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"database/sql"

	"github.com/klauspost/compress/s2"

	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/internal/jsonwrite"
)

// A RawEvent is what was received, kept as it came.
type RawEvent struct {
	ID          string          `json:"id"`
	Integration string          `json:"integration"`
	Kind        string          `json:"kind"` // of the source: muster, alertmanager, pagerduty, rule …
	ReceivedAt  time.Time       `json:"received_at"`
	Remote      string          `json:"remote,omitempty"` // the sender's address
	Event       json.RawMessage `json:"event"`            // what was read from the body, a JSON object
	Body        []byte          `json:"-"`                // the body, whole; nil: that of the event before in the same request
}

type eventRow struct {
	series string
	n      int
	org    string
	at     time.Time
	event  RawEvent
}

// A segment is a sequence of frames: uvarint length of the JSON, the JSON,
// uvarint length+1 of the body (0: that of the frame before), the body.
func appendFrame(dst []byte, e RawEvent) []byte {
	head := appendHead(make([]byte, 0, 192+len(e.Event)), e)
	dst = binary.AppendUvarint(dst, uint64(len(head)))
	dst = append(dst, head...)
	if e.Body == nil {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(len(e.Body))+1)
	return append(dst, e.Body...)
}

// appendHead appends an event but for its body as JSON, as json.Marshal would,
// but that Event, which is JSON already, is not written anew.
func appendHead(dst []byte, e RawEvent) []byte {
	o := jsonwrite.Open(dst)
	o.Text("id", e.ID)
	o.Text("integration", e.Integration)
	o.Text("kind", e.Kind)
	o.Time("received_at", e.ReceivedAt)
	o.Some("remote", e.Remote)
	if len(e.Event) == 0 {
		e.Event = []byte("null")
	}
	o.Raw("event", e.Event)
	return o.Close()
}

var errSegment = errors.New("damaged segment")

// frame returns event n of a decompressed segment.
func frame(data []byte, n int) (RawEvent, error) {
	var body []byte
	next := func() ([]byte, uint64, error) {
		size, k := binary.Uvarint(data)
		if k <= 0 {
			return nil, 0, errSegment
		}
		data = data[k:]
		return data, size, nil
	}
	for i := 0; ; i++ {
		if len(data) == 0 {
			return RawEvent{}, ErrNotFound
		}
		_, size, err := next()
		if err != nil || size > uint64(len(data)) {
			return RawEvent{}, errSegment
		}
		head := data[:size]
		data = data[size:]
		if _, size, err = next(); err != nil || size > uint64(len(data))+1 {
			return RawEvent{}, errSegment
		}
		if size > 0 {
			body, data = data[:size-1], data[size-1:]
		}
		if i == n {
			var e RawEvent
			if err := json.Unmarshal(head, &e); err != nil {
				return RawEvent{}, errSegment
			}
			e.Body = body
			return e, nil
		}
	}
}

// flushEvents writes the raw events: one compressed row per organization.
func (b *batch) flushEvents() error {
	type open struct {
		row   eventRow
		count int
		data  []byte
	}
	segments := map[string]*open{}
	var order []string
	for _, e := range b.all.events {
		s := segments[e.series]
		if s == nil {
			s = &open{row: e}
			segments[e.series] = s
			order = append(order, e.series)
		}
		for ; s.count < e.n; s.count++ { // ids given to units that failed
			s.data = appendFrame(s.data, RawEvent{Body: []byte{}})
		}
		if v := e.event.Event; len(v) > 0 && (v[0] != '{' || v[len(v)-1] != '}') { // all of it was made by who read the event
			return fmt.Errorf("event %s: it is no JSON object", e.event.ID)
		}
		s.data = appendFrame(s.data, e.event)
		s.count++
	}
	for _, name := range order {
		s := segments[name]
		b.exec("write events", `INSERT INTO segments (id, org, at, count, body) VALUES ($1, $2, $3, $4, $5)`,
			name, s.row.org, s.row.at.UnixMicro(), s.count, s2.Encode(nil, s.data))
	}
	return nil
}

// RawEvent returns an event that was accepted, by its id.
func (s *Store) RawEvent(ctx context.Context, org, eventID string) (RawEvent, error) {
	series, n, err := id.SplitMember(eventID)
	if err != nil {
		return RawEvent{}, fmt.Errorf("event %q: %w: %w", eventID, ErrNotFound, err)
	}
	var packed []byte
	err = s.read.QueryRowContext(ctx, `SELECT body FROM segments WHERE id = $1 AND org = $2`, series, org).Scan(&packed)
	if errors.Is(err, sql.ErrNoRows) {
		return RawEvent{}, fmt.Errorf("event %s: %w", eventID, ErrNotFound)
	}
	if err != nil {
		return RawEvent{}, fmt.Errorf("event %s: %w", eventID, err)
	}
	data, err := s2.Decode(nil, packed)
	if err != nil {
		return RawEvent{}, fmt.Errorf("event %s: %w", eventID, errSegment)
	}
	e, err := frame(data, n)
	if err == nil && e.ID != eventID {
		err = ErrNotFound
	}
	if err != nil {
		return RawEvent{}, fmt.Errorf("event %s: %w", eventID, err)
	}
	return e, nil
}
