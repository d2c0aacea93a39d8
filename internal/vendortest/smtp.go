package vendortest

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// SMTP stands in for a mail server that takes mail for anybody: ESMTP
// (RFC 5321) with SIZE, 8BITMIME, STARTTLS (RFC 3207) and AUTH (RFC 4954). It
// is strict where servers on the internet are: order of commands, line ends,
// length of lines, size.
type SMTP struct {
	journal
	opt SMTPOptions

	mu       sync.Mutex
	mails    []Mail
	faults   map[string][]Fault // by verb
	always   map[string]Fault   // by verb
	listener net.Listener
	conns    map[net.Conn]bool
	closed   bool
	running  sync.WaitGroup
}

// SMTPOptions describe a server.
type SMTPOptions struct {
	TLS      *tls.Config       // offers STARTTLS; nil: plain only
	Implicit bool              // TLS from the first byte
	Users    map[string]string // passwords; if there are any, AUTH is required
	MaxSize  int               // bytes of a mail; 10 MiB if zero
}

// A Mail is one that the server answered 250 for, or would have.
type Mail struct {
	At   time.Time
	From string
	To   []string
	Data []byte // as it came, dots unstuffed
	TLS  bool
	User string // who authenticated
}

// NewSMTP returns a server whose clock is now. Start makes it listen.
func NewSMTP(now func() time.Time, o SMTPOptions) *SMTP {
	if o.MaxSize <= 0 {
		o.MaxSize = 10 << 20
	}
	return &SMTP{journal: journal{now: now}, opt: o, faults: map[string][]Fault{}, always: map[string]Fault{}, conns: map[net.Conn]bool{}}
}

// Start listens on a free port of loopback and returns its address, host:port.
func (s *SMTP) Start() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("smtp stand-in: %w", err)
	}
	s.mu.Lock()
	s.listener = l
	s.mu.Unlock()
	s.running.Go(func() { s.accept(l) })
	return l.Addr().String(), nil
}

// Close stops listening, drops all connections and waits for their end.
func (s *SMTP) Close() {
	s.mu.Lock()
	s.closed = true
	if s.listener != nil {
		s.listener.Close()
	}
	for c := range s.conns {
		c.Close()
	}
	s.mu.Unlock()
	s.running.Wait()
}

// Fail makes the next n commands of a verb go wrong: CONNECT, EHLO, STARTTLS,
// AUTH, MAIL, RCPT, DATA, RSET, QUIT, or BODY for the answer after a mail.
// FaultAPI answers Code ("451 4.3.0 try later"); FaultHalf at BODY keeps the
// mail and drops the connection before the 250.
func (s *SMTP) Fail(n int, verb string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range n {
		s.faults[verb] = append(s.faults[verb], f)
	}
}

// Break makes all commands of a verb go wrong until Heal, as Fail does.
func (s *SMTP) Break(verb string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always[verb] = f
}

// Heal forgets the faults that did not happen yet.
func (s *SMTP) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults, s.always = map[string][]Fault{}, map[string]Fault{}
}

// Mails returns the mails taken so far, in order.
func (s *SMTP) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

func (s *SMTP) take(verb string) Fault {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.faults[verb]
	if len(list) == 0 {
		return s.always[verb]
	}
	s.faults[verb] = list[1:]
	return list[0]
}

func (s *SMTP) keep(m Mail) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mails = append(s.mails, m)
}

func (s *SMTP) accept(l net.Listener) {
	for {
		conn, err := l.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			continue
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			conn.Close()
			return
		}
		s.conns[conn] = true
		s.mu.Unlock()
		s.running.Go(func() {
			defer func() {
				conn.Close()
				s.mu.Lock()
				delete(s.conns, conn)
				s.mu.Unlock()
			}()
			c := &smtpSession{server: s, raw: conn}
			c.serve()
		})
	}
}
