package vendortest_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/smtp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/musterhq/muster/internal/vendortest"
)

func startSMTP(t *testing.T, o vendortest.SMTPOptions) (*vendortest.SMTP, string) {
	t.Helper()
	s := vendortest.NewSMTP(newClock().now, o)
	addr, err := s.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, addr
}

func TestSMTPWithNetSMTP(t *testing.T) {
	cert, pool, err := vendortest.TestCertificate(time.Now(), "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	s, addr := startSMTP(t, vendortest.SMTPOptions{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}, Users: map[string]string{"muster": "right"}})
	c, err := smtp.Dial(addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Hello("test.example"); err != nil {
		t.Fatal(err)
	}
	if ok, _ := c.Extension("AUTH"); ok {
		t.Error("AUTH is offered in the clear")
	}
	if err := c.Mail("a@b.example"); err == nil || !strings.HasPrefix(err.Error(), "530") {
		t.Errorf("mail without authentication: %v", err)
	}
	if err := c.StartTLS(&tls.Config{ServerName: "127.0.0.1", RootCAs: pool}); err != nil {
		t.Fatal(err)
	}
	if err := c.Auth(smtp.PlainAuth("", "muster", "right", "127.0.0.1")); err != nil {
		t.Fatal(err)
	}
	if err := c.Rcpt("x@y.example"); err == nil || !strings.HasPrefix(err.Error(), "503") {
		t.Errorf("RCPT before MAIL: %v", err)
	}
	for _, step := range []error{c.Mail("a@b.example"), c.Rcpt("x@y.example"), c.Rcpt("z@y.example")} {
		if step != nil {
			t.Fatal(step)
		}
	}
	w, err := c.Data()
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(w, "Subject: s\r\n\r\n.dot\r\n..dots\r\n")
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Quit(); err != nil {
		t.Error(err)
	}
	mails := s.Mails()
	if len(mails) != 1 || mails[0].From != "a@b.example" || strings.Join(mails[0].To, " ") != "x@y.example z@y.example" ||
		!mails[0].TLS || mails[0].User != "muster" || string(mails[0].Data) != "Subject: s\r\n\r\n.dot\r\n..dots\r\n" {
		t.Errorf("mails %+v", mails)
	}
	if err := func() error {
		c, err := smtp.Dial(addr)
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.StartTLS(&tls.Config{ServerName: "127.0.0.1", RootCAs: pool}); err != nil {
			return err
		}
		return c.Auth(smtp.PlainAuth("", "muster", "wrong", "127.0.0.1"))
	}(); err == nil || !strings.HasPrefix(err.Error(), "535") {
		t.Errorf("wrong password: %v", err)
	}
}

func TestSMTPWithGoMail(t *testing.T) {
	cert, pool, err := vendortest.TestCertificate(time.Now(), "localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, implicit := range []bool{false, true} {
		s, addr := startSMTP(t, vendortest.SMTPOptions{
			TLS: &tls.Config{Certificates: []tls.Certificate{cert}}, Implicit: implicit, Users: map[string]string{"muster": "right"},
		})
		host, portText, _ := net.SplitHostPort(addr)
		port, _ := strconv.Atoi(portText)
		options := []mail.Option{
			mail.WithPort(port), mail.WithTLSConfig(&tls.Config{ServerName: "127.0.0.1", RootCAs: pool, MinVersion: tls.VersionTLS12}), mail.WithHELO("test.example"),
			mail.WithSMTPAuth(mail.SMTPAuthLogin), mail.WithUsername("muster"), mail.WithPassword("right"), mail.WithTLSPolicy(mail.TLSMandatory),
		}
		if implicit {
			options = append(options, mail.WithSSL())
		}
		c, err := mail.NewClient(host, options...)
		if err != nil {
			t.Fatal(err)
		}
		m := mail.NewMsg()
		if err := m.From("a@b.example"); err != nil {
			t.Fatal(err)
		}
		if err := m.To("x@y.example"); err != nil {
			t.Fatal(err)
		}
		m.Subject("Grüße")
		m.SetBodyString(mail.TypeTextPlain, ".\nfrom go-mail\n")
		if err := c.DialAndSend(m); err != nil {
			t.Fatalf("implicit %v: %v", implicit, err)
		}
		if got := s.Mails(); len(got) != 1 || !got[0].TLS || got[0].User != "muster" || !bytes.Contains(got[0].Data, []byte("\r\n.\r\nfrom go-mail")) {
			t.Errorf("implicit %v: %+v", implicit, got)
		}
	}
}

func TestSMTPIsStrict(t *testing.T) {
	s, addr := startSMTP(t, vendortest.SMTPOptions{MaxSize: 2000})
	// Lines in; the codes that come back.
	talk := func(t *testing.T, lines ...string) string {
		conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
		for _, l := range lines {
			if _, err := io.WriteString(conn, l); err != nil {
				t.Fatal(err)
			}
		}
		all, _ := io.ReadAll(conn)
		var codes []string
		for _, l := range strings.Split(strings.TrimSpace(string(all)), "\r\n") {
			if len(l) > 3 && l[3] == ' ' {
				codes = append(codes, l[:3])
			}
		}
		return strings.Join(codes, " ")
	}
	const start = "EHLO t\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"
	for _, tt := range []struct{ name, in, want string }{
		{"MAIL first", "MAIL FROM:<a@b>\r\nQUIT\r\n", "220 503 221"},
		{"nested", "HELO t\r\nMAIL FROM:<a@b>\r\nMAIL FROM:<a@b>\r\nRSET\r\nMAIL FROM:<a@b>\r\nQUIT\r\n", "220 250 250 503 250 250 221"},
		{"no brackets", "EHLO t\r\nMAIL FROM:a@b\r\nQUIT\r\n", "220 250 501 221"},
		{"too large, told", "EHLO t\r\nMAIL FROM:<a@b> SIZE=2001\r\nQUIT\r\n", "220 250 552 221"},
		{"too large, sent", start + strings.Repeat(strings.Repeat("x", 98)+"\r\n", 21) + ".\r\nQUIT\r\n", "220 250 250 250 354 552 221"},
		{"bare LF", start + "a\nb\r\n.\r\nQUIT\r\n", "220 250 250 250 354 550 221"},
		{"smuggled end", start + "a\n.\r\nMAIL FROM:<evil@b>\r\n.\r\nQUIT\r\n", "220 250 250 250 354 550 221"},
		{"bare CR", start + "a\rb\r\n.\r\nQUIT\r\n", "220 250 250 250 354 550 221"},
		{"long line", start + strings.Repeat("x", 999) + "\r\n.\r\nQUIT\r\n", "220 250 250 250 354 500 221"},
		{"line of 998", start + strings.Repeat("x", 998) + "\r\n.\r\nQUIT\r\n", "220 250 250 250 354 250 221"},
		{"long command", strings.Repeat("x", 5000) + "\r\nQUIT\r\n", "220 500 221"},
		{"unknown", "VRFY a\r\nQUIT\r\n", "220 500 221"},
		{"no TLS", "EHLO t\r\nSTARTTLS\r\nQUIT\r\n", "220 250 502 221"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := talk(t, tt.in); got != tt.want {
				t.Errorf("%s, want %s", got, tt.want)
			}
		})
	}
	if n := len(s.Mails()); n != 1 {
		t.Errorf("%d mails taken, want the one with a line of 998", n)
	}
}

func TestSMTPFaults(t *testing.T) {
	s, addr := startSMTP(t, vendortest.SMTPOptions{})
	send := func() error {
		ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
		defer cancel()
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return err
		}
		deadline, _ := ctx.Deadline()
		_ = conn.SetDeadline(deadline)
		c, err := smtp.NewClient(conn, "127.0.0.1")
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.Hello("t"); err != nil {
			return err
		}
		if err := c.Mail("a@b.example"); err != nil {
			return err
		}
		if err := c.Rcpt("c@d.example"); err != nil {
			return err
		}
		w, err := c.Data()
		if err != nil {
			return err
		}
		_, _ = io.WriteString(w, "x\r\n")
		return w.Close()
	}
	for _, verb := range []string{"CONNECT", "EHLO", "MAIL", "RCPT", "DATA", "BODY"} {
		for _, f := range []vendortest.Fault{
			{Kind: vendortest.FaultAPI, Code: "451 4.3.0 try later"},
			{Kind: vendortest.FaultAPI, Code: "554 5.0.0 no"},
			{Kind: vendortest.FaultReset}, {Kind: vendortest.FaultHang}, {Kind: vendortest.FaultGarbage},
		} {
			n := 1
			if verb == "EHLO" {
				s.Fail(1, "HELO", f) // net/smtp tries that next
			}
			s.Fail(n, verb, f)
			before := len(s.Mails())
			err := send()
			if err == nil || f.Code != "" && !strings.HasPrefix(err.Error(), f.Code[:3]) {
				t.Errorf("%s %+v: %v", verb, f, err)
			}
			if len(s.Mails()) != before {
				t.Errorf("%s %+v: the mail was taken", verb, f)
			}
			s.Heal()
		}
	}
	s.Fail(1, "BODY", vendortest.Fault{Kind: vendortest.FaultHalf})
	if err := send(); err == nil || len(s.Mails()) != 1 {
		t.Errorf("half an answer: %v, %d mails", err, len(s.Mails()))
	}
	if err := send(); err != nil || len(s.Mails()) != 2 {
		t.Errorf("afterwards: %v", err)
	}
	if fmt.Sprint(s.Log()[len(s.Log())-1].What) != "BODY" {
		t.Errorf("log %+v", s.Log())
	}
}
