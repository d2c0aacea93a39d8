package vendortest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
)

// DNS stands in for a name server (RFC 1035) that has 127.0.0.1 for every name,
// and no other sort of record, unless it is broken.
type DNS struct {
	conn    net.PacketConn
	breach  atomic.Int32
	running sync.WaitGroup
}

// DNSFault is how names cannot be resolved.
type DNSFault int32

// The ways to fail.
const (
	DNSFine    DNSFault = iota
	DNSNoName           // NXDOMAIN: there is no such name
	DNSServer           // SERVFAIL: the server has a fault
	DNSSilence          // no answer
)

// NewDNS starts a name server on a free port of loopback.
func NewDNS() (*DNS, error) {
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("dns stand-in: %w", err)
	}
	d := &DNS{conn: conn}
	d.running.Go(d.serve)
	return d, nil
}

// Break lets resolving fail, or mends it with DNSFine.
func (d *DNS) Break(f DNSFault) { d.breach.Store(int32(f)) }

// Close stops the server.
func (d *DNS) Close() {
	d.conn.Close()
	d.running.Wait()
}

// Resolver resolves by this server alone.
func (d *DNS) Resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "udp", d.conn.LocalAddr().String())
	}}
}

func (d *DNS) serve() {
	buf := make([]byte, 1500)
	for {
		n, from, err := d.conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue
		}
		if answer := DNSFault(d.breach.Load()).answer(buf[:n]); answer != nil {
			_, _ = d.conn.WriteTo(answer, from)
		}
	}
}

// answer makes the reply to a query with one question; nil is silence.
func (f DNSFault) answer(query []byte) []byte {
	const header = 12
	end := header
	for end < len(query) && query[end] != 0 { // the labels of the name
		end += int(query[end]) + 1
	}
	end += 5 // the root, type, class
	if f == DNSSilence || end > len(query) {
		return nil
	}
	reply := append([]byte(nil), query[:end]...)
	code := map[DNSFault]uint16{DNSNoName: 3, DNSServer: 2}[f]
	binary.BigEndian.PutUint16(reply[2:], 0x8180|code) // an answer, recursion desired and available
	copy(reply[4:], []byte{0, 1, 0, 0, 0, 0, 0, 0})    // one question, nothing else
	isA := binary.BigEndian.Uint16(reply[end-4:]) == 1 // type A
	if f == DNSFine && isA {
		reply[7] = 1
		reply = append(reply, 0xc0, header, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4, 127, 0, 0, 1) // of the name above, for no time
	}
	return reply
}
