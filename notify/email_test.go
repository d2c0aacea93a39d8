package notify_test

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/vendortest"
	"github.com/musterhq/muster/internal/wire"
	"github.com/musterhq/muster/notify"
)

// readMail reads a mail with the standard library, as its receiver would.
func readMail(t *testing.T, data []byte) (mail.Header, map[string]string) {
	t.Helper()
	m, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("%s, %v", kind, err)
	}
	parts := map[string]string{}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return m.Header, parts
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		parts[kind] = string(text)
	}
}

func sendMail(t *testing.T, m notify.Message) vendortest.Mail {
	t.Helper()
	r, s := emailRigWith(t, nil)
	if _, err := r.kind.Send(t.Context(), newWire(t, nil), r.set, r.address, m); err != nil {
		t.Fatal(err)
	}
	return s.Mails()[0]
}

// TestEmailThread checks that all mail of an incident is one thread, that a
// repeat is the same mail, and that incidents do not mix.
func TestEmailThread(t *testing.T) {
	again, other, elsewhere := page(), page(), page()
	again.Repeat = 1
	other.Key, other.Kind, other.Status = "another key", notify.Update, "resolved"
	elsewhere.Key, elsewhere.IncidentID = "third", "0198c0de-0002"
	var ids, roots []string
	for _, m := range []notify.Message{page(), again, other, elsewhere} {
		h, _ := readMail(t, sendMail(t, m).Data)
		ids, roots = append(ids, h.Get("Message-Id")), append(roots, h.Get("References"))
		if h.Get("In-Reply-To") != h.Get("References") || h.Get("Auto-Submitted") != "auto-generated" {
			t.Errorf("headers %v", h)
		}
	}
	if ids[0] != ids[1] || ids[0] == ids[2] || roots[0] != roots[2] || roots[0] == roots[3] || slices.Contains(ids, roots[0]) {
		t.Errorf("ids %q, roots %q", ids, roots)
	}
}

func TestEmailHostile(t *testing.T) {
	plainHeaders := headerNames(t, sendMail(t, page()).Data)
	sent := sendMail(t, hostile(5000))
	if d := cmp.Diff(plainHeaders, headerNames(t, sent.Data)); d != "" {
		t.Errorf("hostile text made headers:\n%s", d)
	}
	h, parts := readMail(t, sent.Data)
	if len(parts) != 2 || strings.Join(sent.To, " ") != "ana@shop.example" {
		t.Errorf("%d parts, to %v", len(parts), sent.To)
	}
	subject, err := new(mime.WordDecoder).DecodeHeader(h.Get("Subject"))
	if err != nil || strings.ContainsAny(subject, "\r\n\x00\x1b\u202e\u200b") {
		t.Errorf("subject %q, %v", subject, err)
	}
	page := parts["text/html"]
	for _, bad := range []string{"<script", "<img", "javascript:", "<!channel", "\u202e", "\u2066", "\x00", "<a "} {
		if strings.Contains(page, bad) {
			t.Errorf("%q is in the HTML", bad)
		}
	}
	if !strings.Contains(page, "&lt;img src=x onerror=alert(1)&gt;") || !strings.Contains(parts["text/plain"], "<img src=x onerror=alert(1)>") {
		t.Error("the text itself is missing")
	}
}

func headerNames(t *testing.T, data []byte) []string {
	t.Helper()
	h, _ := readMail(t, data)
	var out []string
	for n, v := range h {
		out = append(out, n+strings.Repeat("+", len(v)))
	}
	slices.Sort(out)
	return out
}

// Success is the 250 after the mail and nothing else: whatever fails before it
// is an error, whatever fails after it is not.
func TestEmailFailsAtEachVerb(t *testing.T) {
	for _, verb := range []string{"CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "BODY"} {
		for _, f := range []struct {
			fault   vendortest.Fault
			refused bool
		}{
			{vendortest.Fault{Kind: vendortest.FaultAPI, Code: "451 4.3.0 later"}, false},
			{vendortest.Fault{Kind: vendortest.FaultAPI, Code: "421 4.3.2 shutting down"}, false},
			{vendortest.Fault{Kind: vendortest.FaultAPI, Code: "554 5.7.1 no"}, true},
			{vendortest.Fault{Kind: vendortest.FaultReset}, false},
			{vendortest.Fault{Kind: vendortest.FaultHang}, false},
			{vendortest.Fault{Kind: vendortest.FaultGarbage}, false},
		} {
			r, s := emailRigWith(t, nil)
			s.Fail(1, verb, f.fault)
			if verb == "EHLO" {
				s.Fail(1, "HELO", f.fault) // which is tried next
			}
			_, err := r.kind.Send(t.Context(), newWire(t, nil), r.set, r.address, page())
			if refused, _ := wire.Verdict(err); err == nil || refused != f.refused || len(s.Mails()) != 0 {
				t.Errorf("%s %+v: refused %v, %v, %d mails", verb, f.fault, refused, err, len(s.Mails()))
			}
		}
	}
	for _, kind := range []vendortest.FaultKind{vendortest.FaultAPI, vendortest.FaultReset, vendortest.FaultHang, vendortest.FaultGarbage} {
		r, s := emailRigWith(t, nil)
		s.Fail(1, "QUIT", vendortest.Fault{Kind: kind, Code: "554 5.0.0 never"})
		patient := newWire(t, func(o *wire.Options) { o.Timeout = time.Minute })
		start := time.Now()
		receipt, err := r.kind.Send(t.Context(), patient, r.set, r.address, page())
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("QUIT fails (%v): took %v, though the mail was theirs long before", kind, took)
		}
		if err != nil || len(s.Mails()) != 1 ||
			!strings.HasPrefix(receipt.Detail, "250") || !strings.HasPrefix(receipt.Ref, "<incident.") {
			t.Errorf("QUIT fails (%v): %+v, %v", kind, receipt, err)
		}
	}
}

func TestEmailSecurity(t *testing.T) {
	config, trusting := tlsOptions(t, "127.0.0.1")
	users := map[string]string{"muster": mailSecret}
	tests := []struct {
		name     string
		server   vendortest.SMTPOptions
		set      map[string]string
		distrust bool
		err      string // "" for a mail that arrives
		tls      bool
	}{
		{"STARTTLS and password", vendortest.SMTPOptions{TLS: config, Users: users}, map[string]string{"starttls": "required", "username": "muster"}, false, "", true},
		{"STARTTLS is the default", vendortest.SMTPOptions{TLS: config}, map[string]string{"starttls": ""}, false, "", true},
		{"optional, and there", vendortest.SMTPOptions{TLS: config}, map[string]string{"starttls": "optional"}, false, "", true},
		{"optional, and not there", vendortest.SMTPOptions{}, map[string]string{"starttls": "optional"}, false, "", false},
		{"required, and not there", vendortest.SMTPOptions{}, map[string]string{"starttls": "required"}, false, "does not offer STARTTLS", false},
		{"off", vendortest.SMTPOptions{TLS: config}, map[string]string{"starttls": "off"}, false, "", false},
		{"TLS from the start", vendortest.SMTPOptions{TLS: config, Implicit: true, Users: users}, map[string]string{"scheme": "smtps", "username": "muster"}, false, "", true},
		{"certificate of nobody, STARTTLS", vendortest.SMTPOptions{TLS: config}, map[string]string{"starttls": "optional"}, true, "certificate", false},
		{"certificate of nobody, TLS", vendortest.SMTPOptions{TLS: config, Implicit: true}, map[string]string{"scheme": "smtps"}, true, "certificate", false},
		{"wrong password", vendortest.SMTPOptions{TLS: config, Users: map[string]string{"muster": "other"}}, map[string]string{"username": "muster"}, false, "535", false},
		{"no user name, but wanted", vendortest.SMTPOptions{TLS: config, Users: users}, map[string]string{}, false, "530", false},
		{"password for a server that wants none", vendortest.SMTPOptions{TLS: config}, map[string]string{"username": "muster"}, false, "offers neither", false},
		{"bad choice", vendortest.SMTPOptions{}, map[string]string{"starttls": "maybe"}, false, "starttls", false},
		{"no sender", vendortest.SMTPOptions{}, map[string]string{"from": ""}, false, "from", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, s := emailRigWith(t, func(o *vendortest.SMTPOptions) { *o = tt.server })
			set := r.set
			for k, v := range tt.set {
				if k == "scheme" {
					k, v = "url", v+strings.TrimPrefix(set["url"], "smtp")
				}
				set = with(set, k, v)
			}
			w := trusting
			if tt.distrust {
				w = newWire(t, nil)
			}
			_, err := r.kind.Send(t.Context(), w, set, r.address, page())
			noSecret(t, r, err)
			if tt.err != "" {
				if !errors.Is(err, wire.ErrRefused) || !strings.Contains(err.Error(), tt.err) || len(s.Mails()) != 0 {
					t.Errorf("%v, want %q refused", err, tt.err)
				}
				return
			}
			if err != nil || len(s.Mails()) != 1 || s.Mails()[0].TLS != tt.tls || s.Mails()[0].User != tt.set["username"] {
				t.Errorf("%v, %+v", err, s.Mails())
			}
		})
	}
}

// A password never goes out in the clear but to this machine itself. The
// server here is at loopback, but its name does not say so.
func TestEmailPasswordInTheClear(t *testing.T) {
	r, s := emailRigWith(t, func(o *vendortest.SMTPOptions) { o.Users = map[string]string{"muster": mailSecret} })
	set := with(with(r.set, "username", "muster"), "url", strings.Replace(r.set["url"], "127.0.0.1", "[::ffff:127.0.0.1]", 1))
	_, err := r.kind.Send(t.Context(), newWire(t, nil), set, r.address, page())
	if !errors.Is(err, wire.ErrRefused) || !strings.Contains(err.Error(), "in the clear") || len(s.Mails()) != 0 {
		t.Errorf("%v, %+v", err, s.Mails())
	}
	for _, e := range s.Log() {
		if e.What == "AUTH" {
			t.Error("authentication was begun")
		}
	}
	if _, err := r.kind.Send(t.Context(), newWire(t, nil), with(r.set, "username", "muster"), r.address, page()); err != nil {
		t.Errorf("to 127.0.0.1: %v", err)
	}
}

func TestEmailAddresses(t *testing.T) {
	for address, ok := range map[string]bool{
		"ana@shop.example": true, "ana+pager@shop.example": true, "a@b": true,
		"": false, "ana": false, "Ana <ana@shop.example>": false, "<ana@shop.example>": false, "a@b, c@d": false,
		"ana@shop.example\r\nBcc: x@y": false, "\"a b\"@c": false, "a@" + strings.Repeat("b", 300): false,
	} {
		if err := notify.Email.Check(address); (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
	}
}
