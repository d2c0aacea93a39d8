package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
)

// A sendingClient is one keep-alive connection of a sender. It is as plain as a
// load generator must be that shares the cores with what it measures: it writes
// a request at once and reads no more of the answer than HTTP asks for.
type sendingClient struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
	head string // of the request, up to the value of Content-Length
	want []byte // what the answer begins with
}

// A target is where a load goes.
type target struct {
	address, path string
	header        string // lines of its own, each with its end
	status        int    // of an answer that accepts
}

func (t target) client() (*sendingClient, error) {
	conn, err := net.Dial("tcp", t.address)
	if err != nil {
		return nil, err
	}
	head := "POST " + t.path + " HTTP/1.1\r\nHost: " + t.address + "\r\n" + t.header + "Content-Type: application/json\r\nContent-Length: "
	return &sendingClient{conn: conn, in: bufio.NewReader(conn), head: head, want: fmt.Appendf(nil, "HTTP/1.1 %d ", t.status)}, nil
}

// target is the intake of an integration.
func (s benchServer) target(integration string) target {
	return target{s.Addr, "/intake/events", "Authorization: Bearer " + integration + "-" + benchKey + "\r\n", 202}
}

func (s benchServer) client(integration string) (*sendingClient, error) {
	return s.target(integration).client()
}

// post sends a body and returns when it was answered: nil if it was accepted.
func (c *sendingClient) post(body string) error {
	c.out = append(c.out[:0], c.head...)
	c.out = strconv.AppendInt(c.out, int64(len(body)), 10)
	c.out = append(c.out, "\r\n\r\n"...)
	c.out = append(c.out, body...)
	if _, err := c.conn.Write(c.out); err != nil {
		return err
	}
	status, err := c.line()
	if err != nil {
		return err
	}
	accepted := bytes.HasPrefix(status, c.want)
	text := string(status)
	length := -1
	for {
		line, err := c.line()
		if err != nil {
			return err
		}
		if len(line) == 0 {
			break
		}
		if name, value, ok := bytes.Cut(line, []byte(": ")); ok && bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return err
			}
		}
	}
	if length < 0 {
		return fmt.Errorf("%s: no Content-Length", text)
	}
	if !accepted {
		answer := make([]byte, min(length, 1<<10))
		_, err := io.ReadFull(c.in, answer)
		return fmt.Errorf("%s: %s (%v)", text, answer, err)
	}
	_, err = c.in.Discard(length)
	return err
}

// line returns a line of the head of an answer; it is good until the next read.
func (c *sendingClient) line() ([]byte, error) {
	line, err := c.in.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}
