package notify

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"net/url"
	"strings"
	"time"

	"github.com/wneessen/go-mail/smtp"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/wire"
)

// A mailServer is where mail is handed over, and how.
type mailServer struct {
	host, addr         string // addr is host:port
	tls                bool   // from the first byte
	starttls           string // required, optional, off
	username, password string
}

// readServer reads the settings. Its errors name the field and hold no value
// that could be a secret.
func readServer(set config.Settings) (mailServer, error) {
	u, err := url.Parse(set["url"])
	if err != nil || u.Hostname() == "" {
		return mailServer{}, errors.New("url: want smtp://host or smtps://host")
	}
	s := mailServer{
		host:     u.Hostname(),
		starttls: cmp.Or(set["starttls"], "required"),
		username: set["username"],
		password: set["password"],
	}
	port := u.Port()
	switch u.Scheme {
	case "smtp":
		port = cmp.Or(port, "587")
	case "smtps":
		s.tls = true
		port = cmp.Or(port, "465")
	default:
		return mailServer{}, errors.New("url: scheme is neither smtp nor smtps")
	}
	switch {
	case u.User != nil:
		return mailServer{}, errors.New("url: credentials belong into username and password")
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "":
		return mailServer{}, errors.New("url: has more than host and port")
	case s.starttls != "required" && s.starttls != "optional" && s.starttls != "off":
		return mailServer{}, fmt.Errorf("starttls: %q is neither required, optional nor off", cut(s.starttls, 20))
	}
	s.addr = net.JoinHostPort(s.host, port)
	return s, nil
}

// deliver hands a letter over and returns what the server said at the end.
// Only the 250 after the data counts: everything before it is a promise of
// nothing, and whatever fails after it (RSET, QUIT) does not undo it.
func (s mailServer) deliver(ctx context.Context, w *wire.Client, l letter) (string, error) {
	ctx, cancel := context.WithCancel(ctx) // the connection ends with it, see wire.Client.Dial
	defer cancel()
	conn, err := w.Dial(ctx, "tcp", s.addr)
	if err != nil {
		return "", fmt.Errorf("connecting: %w", err)
	}
	defer conn.Close()
	if s.tls {
		secured := tls.Client(conn, w.TLS(s.host))
		if err := secured.HandshakeContext(ctx); err != nil {
			return "", fmt.Errorf("TLS: %w", wire.Classify(err))
		}
		conn = secured
	}
	c, err := smtp.NewClient(conn, s.host)
	if err != nil {
		return "", s.said("greeting", err)
	}
	if err := s.enter(c, l, w); err != nil {
		return "", err
	}
	if err := c.Mail("<" + l.from + ">"); err != nil {
		return "", s.said("MAIL", err)
	}
	if err := c.Rcpt("<" + l.to + ">"); err != nil {
		return "", s.said("RCPT", err)
	}
	body, err := c.Data()
	if err != nil {
		return "", s.said("DATA", err)
	}
	if _, err := body.Write(l.text); err != nil {
		return "", s.said("sending the mail", err)
	}
	if err := body.Close(); err != nil {
		return "", s.said("end of the mail", err)
	}
	answer := "250"
	if d, ok := body.(*smtp.DataCloser); ok {
		answer += " " + d.ServerResponse()
	}
	// The mail is theirs; a bad goodbye changes nothing, nor does a slow one.
	hurry := time.AfterFunc(time.Second, func() { conn.Close() })
	defer hurry.Stop()
	_ = c.Quit()
	return answer, nil
}

// enter says hello, turns TLS on and authenticates.
func (s mailServer) enter(c *smtp.Client, l letter, w *wire.Client) error {
	_, domain, _ := strings.Cut(l.from, "@")
	if err := c.Hello(domain); err != nil {
		return s.said("EHLO", err)
	}
	if !s.tls && s.starttls != "off" {
		offered, _ := c.Extension("STARTTLS")
		switch {
		case offered:
			if err := c.StartTLS(w.TLS(s.host)); err != nil {
				return s.said("STARTTLS", wire.Classify(err))
			}
		case s.starttls == "required":
			return fmt.Errorf("%w: the server does not offer STARTTLS", wire.ErrRefused)
		}
	}
	if s.username == "" {
		return nil
	}
	_, mechanisms := c.Extension("AUTH")
	var auth smtp.Auth
	for _, m := range strings.Fields(strings.ToUpper(mechanisms)) {
		if m == "PLAIN" {
			auth = smtp.PlainAuth("", s.username, s.password, s.host, false)
			break
		}
		if m == "LOGIN" {
			auth = smtp.LoginAuth(s.username, s.password, s.host, false)
		}
	}
	if auth == nil {
		return fmt.Errorf("%w: the server offers neither AUTH PLAIN nor LOGIN", wire.ErrRefused)
	}
	if err := c.Auth(auth); err != nil {
		if errors.Is(err, smtp.ErrUnencrypted) {
			return fmt.Errorf("%w: the password would go out in the clear", wire.ErrRefused)
		}
		return s.said("AUTH", err)
	}
	return nil
}

// said explains the failure of a step: an answer 5xx is final, 4xx and a broken
// connection are not (RFC 5321 section 4.2.1). The server's words are quoted.
func (s mailServer) said(step string, err error) error {
	var answer *textproto.Error
	var garbage textproto.ProtocolError
	switch {
	case errors.As(err, &answer) && answer.Code >= 500 && answer.Code < 600:
		return fmt.Errorf("%s: %w: %d %q", step, wire.ErrRefused, answer.Code, wire.Excerpt(answer.Msg, 200, s.password))
	case errors.As(err, &answer):
		return fmt.Errorf("%s: %d %q", step, answer.Code, wire.Excerpt(answer.Msg, 200, s.password))
	case errors.As(err, &garbage):
		return fmt.Errorf("%s: answer is not SMTP: %q", step, wire.Excerpt(garbage.Error(), 200, s.password))
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s: the server hung up: %w", step, err)
	default:
		return fmt.Errorf("%s: %w", step, err)
	}
}
