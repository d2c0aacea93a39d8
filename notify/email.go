package notify

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/mail"
	"strings"

	gomail "github.com/wneessen/go-mail"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/wire"
)

// Email sends mail over SMTP. All mail about an incident refers to one root id,
// so that programs show it as one thread, and the Message-ID is made from the
// key, so that most of them show a repeat once. There are no buttons: programs
// that scan mail open every link in it.
var Email = Kind{
	Kind: config.Kind{
		Name: "email",
		Via:  []string{"email"},
		Fields: []config.Field{
			{Name: "from", Label: "Sender", Required: true, Help: "muster@example.org, or Muster <muster@example.org>."},
			{Name: "username", Label: "User name", Help: "Empty: no authentication."},
			{Name: "password", Label: "Password", Secret: true},
			{Name: "starttls", Label: "STARTTLS", Default: "required",
				Help: "required, optional or off, for smtp://. A password is never sent in the clear but to this machine itself."},
		},
		Address: &config.Field{Name: "address", Label: "E-mail address", Required: true},
	},
	URL:   config.Field{Name: "url", Label: "Server", Type: "url", Required: true, Help: "smtp://host (port 587) or smtps://host (port 465)."},
	Send:  sendEmail,
	Check: checkEmail,
}

func checkEmail(address string) error {
	_, err := bareAddress(address)
	return err
}

// bareAddress reads an address without a name: ana@shop.example.
func bareAddress(address string) (*mail.Address, error) {
	a, err := mail.ParseAddress(address)
	if err != nil || a.Name != "" || a.Address != address || len(address) > 254 || strings.ContainsAny(address, " \"<>\r\n") {
		return nil, fmt.Errorf("address: %q is not an e-mail address", cut(address, 60))
	}
	return a, nil
}

func sendEmail(ctx context.Context, w *wire.Client, set config.Settings, address string, m Message) (Receipt, error) {
	m = m.spelled()
	fail := func(err error) (Receipt, error) {
		return Receipt{}, wire.Redact(fmt.Errorf("email: %w", err), hiding(set, "password")...)
	}
	server, err := readServer(set)
	if err != nil {
		return fail(fmt.Errorf("%w: %w", wire.ErrRefused, err))
	}
	letter, root, err := renderEmail(set["from"], address, m)
	if err != nil {
		return fail(fmt.Errorf("%w: %w", wire.ErrRefused, err))
	}
	said, err := server.deliver(ctx, w, letter)
	if err != nil {
		return fail(err)
	}
	return Receipt{Ref: root, Detail: line(said, 200)}, nil
}

// A letter is a mail and its envelope.
type letter struct {
	from, to string // bare addresses
	text     []byte
}

// renderEmail writes the mail. It returns the id of the thread's root as well.
func renderEmail(from, to string, m Message) (letter, string, error) {
	sender, err := mail.ParseAddress(from)
	if err != nil {
		return letter{}, "", errors.New("from: not an e-mail address")
	}
	recipient, err := bareAddress(to)
	if err != nil {
		return letter{}, "", err
	}
	_, domain, _ := strings.Cut(sender.Address, "@")
	root := "<" + idOf("incident", cmp.Or(m.IncidentID, m.Key)) + "@" + domain + ">"

	msg := gomail.NewMsg(gomail.WithNoDefaultUserAgent(), gomail.WithEncoding(gomail.EncodingQP))
	msg.FromMailAddress(&mail.Address{Name: line(sender.Name, 100), Address: sender.Address})
	msg.ToMailAddress(recipient)
	msg.Subject(headline(m))
	msg.SetDateWithValue(m.Now.UTC())
	msg.SetMessageIDWithValue(idOf("key", m.Key) + "@" + domain)
	msg.SetGenHeader(gomail.HeaderInReplyTo, root)
	msg.SetGenHeader(gomail.HeaderReferences, root)
	msg.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no out-of-office replies
	msg.SetGenHeader("X-Auto-Response-Suppress", "All")
	msg.SetGenHeader("X-Muster-Key", line(m.Key, 200))
	if m.Kind == Page || m.Kind == Approval || m.Kind == DigestKind {
		msg.SetImportance(gomail.ImportanceHigh)
	}

	plain, rich, err := emailBodies(m)
	if err != nil {
		return letter{}, "", err
	}
	msg.SetBodyString(gomail.TypeTextPlain, plain)
	msg.AddAlternativeString(gomail.TypeTextHTML, rich)
	// A hash over the text cannot stand in the text, so no text ends its part.
	msg.SetBoundary(idOf("boundary", m.Key, plain, rich))

	var out bytes.Buffer
	if _, err := msg.WriteTo(&out); err != nil {
		return letter{}, "", fmt.Errorf("writing the mail: %w", err)
	}
	return letter{from: sender.Address, to: recipient.Address, text: out.Bytes()}, root, nil
}

// idOf makes a name of fixed length from texts of any.
func idOf(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return parts[0] + "." + hex.EncodeToString(h.Sum(nil)[:16])
}
