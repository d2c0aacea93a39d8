package notify

import (
	"fmt"
	"strings"
	"time"
)

// DigestKind is the Kind of a message that stands for many pages.
const DigestKind = "digest"

// A Digest is what a message of kind DigestKind tells of, instead of one
// incident.
type Digest struct {
	Incidents int // in all
	Critical  int // of them
	Since     time.Time
	First     []DigestLine // the worst first, of these the newest; not all of them
}

// A DigestLine is one incident of a digest. Its texts are hostile but for ID and
// Number.
type DigestLine struct {
	ID, Number, Severity, Service, Title, URL string

	Since time.Time
}

// spelled returns the message with its digest, if it has one, written out as
// title and text, a line for each incident: no title can look like two.
func (m Message) spelled() Message {
	if m.Digest == nil {
		return m
	}
	d := *m.Digest
	m.Title = fmt.Sprintf("%d incidents wait for you", d.Incidents)
	if d.Incidents == 1 {
		m.Title = "1 incident waits for you"
	}
	if d.Critical > 0 {
		m.Title += fmt.Sprintf(", %d critical", d.Critical)
	}
	if !d.Since.IsZero() {
		m.Title += ", since " + d.Since.UTC().Format("2006-01-02 15:04 UTC")
	}
	var b strings.Builder
	for _, l := range d.First {
		fmt.Fprintf(&b, "#%s %s", line(l.Number, 20), line(l.Severity, 20))
		if service := line(l.Service, 60); service != "" {
			b.WriteString(" " + service)
		}
		fmt.Fprintf(&b, ": %s (since %s)\n", line(l.Title, 120), l.Since.UTC().Format("15:04 UTC"))
	}
	if more := d.Incidents - len(d.First); more > 0 {
		fmt.Fprintf(&b, "… and %d more\n", more)
	}
	m.Text = b.String()
	return m
}

// webhookDigest is a digest as a webhook sends it.
type webhookDigest struct {
	Incidents int                 `json:"incidents"`
	Critical  int                 `json:"critical"`
	Since     string              `json:"since"`
	First     []webhookDigestLine `json:"first"`
}

type webhookDigestLine struct {
	ID       string `json:"id"`
	Number   string `json:"number"`
	Service  string `json:"service"`
	Severity string `json:"severity"`
	Title    string `json:"title"`
	Since    string `json:"since"`
	URL      string `json:"url,omitempty"`
}

func (d Digest) webhook() *webhookDigest {
	out := webhookDigest{Incidents: d.Incidents, Critical: d.Critical, Since: d.Since.UTC().Format(time.RFC3339), First: []webhookDigestLine{}}
	for _, l := range d.First {
		out.First = append(out.First, webhookDigestLine{
			ID: l.ID, Number: line(l.Number, 20), Service: line(l.Service, 200), Severity: line(l.Severity, 50), Title: line(l.Title, 300),
			Since: l.Since.UTC().Format(time.RFC3339), URL: link(l.URL),
		})
	}
	return &out
}
