package vendortest

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
)

// smtpSession is one connection.
type smtpSession struct {
	server *SMTP
	raw    net.Conn // the TCP connection
	conn   net.Conn // raw, or TLS over it
	in     *bufio.Reader

	hello  bool
	secure bool
	user   string
	mail   *Mail // between MAIL and the end of DATA
}

// errDone ends a session.
var errDone = errors.New("done")

func (c *smtpSession) serve() {
	c.conn = c.raw
	if c.server.opt.Implicit && c.server.opt.TLS != nil {
		if !c.secureNow() {
			return
		}
	}
	c.in = bufio.NewReaderSize(c.conn, 4096)
	if handled, _ := c.fault("CONNECT", c.server.take("CONNECT")); handled {
		return // whatever it was, there is no session
	}
	if c.say("220 smtp.muster.example ESMTP stand-in") != nil {
		return
	}
	for {
		line, err := c.readLine(512) // RFC 5321 section 4.5.3.1.4
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			if c.say("500 5.5.2 line too long") != nil {
				return
			}
			continue
		case err != nil:
			return
		}
		verb, args, _ := strings.Cut(line, " ")
		verb = strings.ToUpper(verb)
		handled, err := c.fault(verb, c.server.take(verb))
		if !handled {
			err = c.command(verb, strings.TrimSpace(args))
		}
		if err != nil {
			return
		}
	}
}

// fault lets a fault happen. It is handled unless it is none, or one that only
// the command itself can make; an error ends the session.
func (c *smtpSession) fault(verb string, f Fault) (handled bool, err error) {
	if f.Kind == FaultNone || f.Kind == FaultHalf {
		return false, nil
	}
	c.server.write(verb, "fault")
	switch f.Kind {
	case FaultAPI, FaultStatus:
		if err := c.say(f.Code); err != nil || strings.HasPrefix(f.Code, "421") {
			return true, errDone
		}
		return true, nil
	case FaultGarbage:
		_ = c.say("\x00\xffHTTP/1.1 400 Bad Request")
	case FaultHang:
		_, _ = io.Copy(io.Discard, c.in) // until the other side gives up
	case FaultReset:
		if t, ok := c.raw.(*net.TCPConn); ok {
			_ = t.SetLinger(0)
		}
	}
	return true, errDone
}

func (c *smtpSession) say(reply string) error {
	_, err := io.WriteString(c.conn, reply+"\r\n")
	return err
}

// answer says a reply and logs it.
func (c *smtpSession) answer(verb, reply string) error {
	c.server.write(verb, reply)
	return c.say(reply)
}

// readLine reads a line without its end. bufio.ErrBufferFull stands for one
// that is longer than most; it has been skipped.
func (c *smtpSession) readLine(most int) (string, error) {
	line, err := c.in.ReadSlice('\n')
	for tooLong := false; ; {
		if errors.Is(err, bufio.ErrBufferFull) {
			tooLong = true
			_, err = c.in.ReadSlice('\n')
			continue
		}
		if err != nil {
			return "", err
		}
		if tooLong || len(line) > most {
			return "", bufio.ErrBufferFull
		}
		return strings.TrimRight(string(line), "\r\n"), nil
	}
}

func (c *smtpSession) command(verb, args string) error {
	o := c.server.opt
	switch verb {
	case "EHLO", "HELO":
		return c.greet(verb, args)
	case "NOOP":
		return c.answer(verb, "250 2.0.0 ok")
	case "RSET":
		c.mail = nil
		return c.answer(verb, "250 2.0.0 ok")
	case "QUIT":
		_ = c.answer(verb, "221 2.0.0 bye")
		return errDone
	case "STARTTLS":
		switch {
		case o.TLS == nil || c.secure:
			return c.answer(verb, "502 5.5.1 not available")
		case args != "":
			return c.answer(verb, "501 5.5.4 no parameters")
		}
		if err := c.answer(verb, "220 2.0.0 go ahead"); err != nil {
			return err
		}
		if !c.secureNow() {
			return errDone
		}
		// RFC 3207 section 4.2: what was said before does not count.
		c.in = bufio.NewReaderSize(c.conn, 4096)
		c.hello, c.user, c.mail = false, "", nil
		return nil
	case "AUTH":
		return c.auth(args)
	case "MAIL":
		return c.mailFrom(args)
	case "RCPT":
		return c.rcptTo(args)
	case "DATA":
		return c.data()
	default:
		return c.answer(verb, "500 5.5.2 unknown command")
	}
}

func (c *smtpSession) secureNow() bool {
	t := tls.Server(c.raw, c.server.opt.TLS)
	if err := t.Handshake(); err != nil {
		c.server.write("TLS", err.Error())
		return false
	}
	c.conn, c.secure = t, true
	return true
}

func (c *smtpSession) greet(verb, args string) error {
	if args == "" {
		return c.answer(verb, "501 5.5.4 who are you?")
	}
	c.hello, c.mail = true, nil
	if verb == "HELO" {
		return c.answer(verb, "250 smtp.muster.example")
	}
	o := c.server.opt
	lines := []string{"smtp.muster.example", "SIZE " + strconv.Itoa(o.MaxSize), "8BITMIME", "ENHANCEDSTATUSCODES"}
	if o.TLS != nil && !c.secure {
		lines = append(lines, "STARTTLS")
	}
	if len(o.Users) > 0 && (c.secure || o.TLS == nil) {
		lines = append(lines, "AUTH PLAIN LOGIN")
	}
	var b strings.Builder
	for i, l := range lines {
		sep := "-"
		if i == len(lines)-1 {
			sep = " "
		}
		b.WriteString("250" + sep + l + "\r\n")
	}
	c.server.write(verb, "250")
	_, err := io.WriteString(c.conn, b.String())
	return err
}

func (c *smtpSession) auth(args string) error {
	const verb = "AUTH"
	o := c.server.opt
	switch {
	case len(o.Users) == 0:
		return c.answer(verb, "502 5.5.1 not available")
	case !c.hello:
		return c.answer(verb, "503 5.5.1 EHLO first")
	case c.user != "" || c.mail != nil:
		return c.answer(verb, "503 5.5.1 not now")
	case o.TLS != nil && !c.secure:
		return c.answer(verb, "538 5.7.11 encryption required")
	}
	mechanism, initial, _ := strings.Cut(args, " ")
	var user, password string
	switch strings.ToUpper(mechanism) {
	case "PLAIN":
		text, err := c.challenge(initial, "")
		if err != nil {
			return err
		}
		parts := bytes.Split(text, []byte{0})
		if len(parts) != 3 {
			return c.answer(verb, "501 5.5.2 not PLAIN")
		}
		user, password = string(parts[1]), string(parts[2])
	case "LOGIN":
		name, err := c.challenge(initial, "Username:")
		if err != nil {
			return err
		}
		word, err := c.challenge("", "Password:")
		if err != nil {
			return err
		}
		user, password = string(name), string(word)
	default:
		return c.answer(verb, "504 5.5.4 unknown mechanism")
	}
	if want, ok := o.Users[user]; !ok || want != password {
		return c.answer(verb, "535 5.7.8 authentication failed")
	}
	c.user = user
	return c.answer(verb, "235 2.7.0 welcome")
}

// challenge asks for a line of base64, if it was not sent with the command.
func (c *smtpSession) challenge(initial, question string) ([]byte, error) {
	if initial == "" {
		if err := c.say("334 " + base64.StdEncoding.EncodeToString([]byte(question))); err != nil {
			return nil, err
		}
		line, err := c.readLine(12288)
		if err != nil {
			return nil, err
		}
		initial = line
	}
	if initial == "=" {
		return nil, nil
	}
	text, err := base64.StdEncoding.DecodeString(initial)
	if err != nil {
		_ = c.answer("AUTH", "501 5.5.2 not base64")
		return nil, errDone
	}
	return text, nil
}

func (c *smtpSession) mailFrom(args string) error {
	const verb = "MAIL"
	from, params, ok := path(args, "FROM:")
	switch {
	case !c.hello:
		return c.answer(verb, "503 5.5.1 EHLO first")
	case len(c.server.opt.Users) > 0 && c.user == "":
		return c.answer(verb, "530 5.7.0 authentication required")
	case c.mail != nil:
		return c.answer(verb, "503 5.5.1 nested MAIL")
	case !ok:
		return c.answer(verb, "501 5.5.4 MAIL FROM:<address>")
	}
	for _, p := range strings.Fields(params) {
		name, value, _ := strings.Cut(strings.ToUpper(p), "=")
		switch name {
		case "BODY":
		case "SIZE":
			if n, err := strconv.Atoi(value); err != nil || n > c.server.opt.MaxSize {
				return c.answer(verb, "552 5.3.4 too large")
			}
		default:
			return c.answer(verb, "555 5.5.4 unknown parameter")
		}
	}
	c.mail = &Mail{From: from, TLS: c.secure, User: c.user}
	return c.answer(verb, "250 2.1.0 ok")
}

func (c *smtpSession) rcptTo(args string) error {
	const verb = "RCPT"
	to, params, ok := path(args, "TO:")
	switch {
	case c.mail == nil:
		return c.answer(verb, "503 5.5.1 MAIL first")
	case !ok || to == "" || !strings.Contains(to, "@"):
		return c.answer(verb, "501 5.1.3 RCPT TO:<address>")
	case params != "":
		return c.answer(verb, "555 5.5.4 unknown parameter")
	case len(c.mail.To) >= 100:
		return c.answer(verb, "452 4.5.3 too many recipients")
	}
	c.mail.To = append(c.mail.To, to)
	return c.answer(verb, "250 2.1.5 ok")
}

// path reads FROM:<a@b> PARAMETERS. Addresses are ASCII: SMTPUTF8 is not offered.
func path(args, prefix string) (address, params string, ok bool) {
	if len(args) < len(prefix) || !strings.EqualFold(args[:len(prefix)], prefix) {
		return "", "", false
	}
	rest := strings.TrimSpace(args[len(prefix):])
	end := strings.IndexByte(rest, '>')
	if !strings.HasPrefix(rest, "<") || end < 0 {
		return "", "", false
	}
	address = rest[1:end]
	for i := range len(address) {
		if address[i] <= ' ' || address[i] > '~' {
			return "", "", false
		}
	}
	return address, strings.TrimSpace(rest[end+1:]), true
}

func (c *smtpSession) data() error {
	if c.mail == nil || len(c.mail.To) == 0 {
		return c.answer("DATA", "503 5.5.1 RCPT first")
	}
	if err := c.answer("DATA", "354 go ahead"); err != nil {
		return err
	}
	text, complaint, err := c.readMail()
	if err != nil {
		return err
	}
	mail := *c.mail
	c.mail = nil
	f := c.server.take("BODY")
	if handled, err := c.fault("BODY", f); handled {
		return err
	}
	if complaint != "" {
		return c.answer("BODY", complaint)
	}
	mail.At, mail.Data = c.server.now(), text
	c.server.keep(mail)
	if f.Kind == FaultHalf {
		c.server.write("BODY", "fault")
		_, _ = io.WriteString(c.conn, "25")
		return errDone
	}
	return c.answer("BODY", fmt.Sprintf("250 2.0.0 queued as %d", len(c.server.Mails())))
}

// readMail reads to the lone dot. The complaint, if any, is the reply that the
// mail deserves; reading goes on to the end in any case.
func (c *smtpSession) readMail() (text []byte, complaint string, err error) {
	for proper := true; ; { // whether the line before ended with CRLF: the dot counts only then
		line, err := c.in.ReadBytes('\n')
		if err != nil {
			return nil, "", err
		}
		body, ok := bytes.CutSuffix(line, []byte("\r\n"))
		if ok && proper && string(body) == "." {
			return text, complaint, nil
		}
		proper = ok
		body = bytes.TrimPrefix(body, []byte("."))
		switch {
		case !ok:
			complaint = "550 5.6.11 bare LF" // as servers do since SMTP smuggling
			body = bytes.TrimSuffix(body, []byte("\n"))
		case bytes.ContainsRune(body, '\r'):
			complaint = "550 5.6.11 bare CR"
		case len(body) > 998: // RFC 5321 section 4.5.3.1.6, without CRLF and the dot added
			complaint = "500 5.6.0 line too long"
		}
		if len(text)+len(body) > c.server.opt.MaxSize {
			complaint = "552 5.3.4 too large"
			continue
		}
		text = append(append(text, body...), "\r\n"...)
	}
}
