package vendortest

import (
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// A Fault is something that goes wrong on request.
type Fault struct {
	Kind FaultKind
	// Code is the error's name for FaultAPI, a reply for SMTP ("451 try
	// later"), and the status for FaultStatus ("503"; "500" if empty).
	Code string
	// RetryAfter goes into the header Retry-After, in whole seconds, if more
	// than zero.
	RetryAfter time.Duration
}

// FaultKind is how something goes wrong.
type FaultKind int

// The ways to go wrong. But for FaultHalf, the request has had no effect.
const (
	FaultNone    FaultKind = iota
	FaultStatus            // an HTTP status, with a page of HTML as proxies send it
	FaultAPI               // the service's own way to say no
	FaultHang              // no answer until the other side gives up
	FaultGarbage           // an answer of the right status that makes no sense
	FaultHalf              // the request is done, but the answer breaks off in the middle
	FaultReset             // the connection is reset
	FaultNoise             // an answer that is not even HTTP
)

// faults are those that are still to come, in order.
type faults struct {
	mu     sync.Mutex
	next   []Fault
	always Fault
}

// Fail makes the next n requests go wrong.
func (f *faults) Fail(n int, fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for range n {
		f.next = append(f.next, fault)
	}
}

// Break makes all requests go wrong until Heal.
func (f *faults) Break(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.always = fault
}

// Heal forgets the faults that did not happen yet.
func (f *faults) Heal() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next, f.always = nil, Fault{}
}

func (f *faults) take() Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.next) == 0 {
		return f.always
	}
	fault := f.next[0]
	f.next = f.next[1:]
	return fault
}

// spoil answers an HTTP request with a fault. The request's body has been read.
// whole is the answer that FaultHalf breaks off.
func (f Fault) spoil(w http.ResponseWriter, r *http.Request, whole []byte) {
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((f.RetryAfter+time.Second-1)/time.Second)))
	}
	switch f.Kind {
	case FaultHang:
		<-r.Context().Done()
	case FaultGarbage:
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, "\x00\xff<!doctype html>{\"ok\":")
	case FaultHalf:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(whole)+100))
		_, _ = w.Write(whole[:len(whole)/2])
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	case FaultReset:
		hijackReset(w)
	case FaultNoise:
		hijackNoise(w)
	default:
		status, err := strconv.Atoi(f.Code)
		if err != nil {
			status = http.StatusInternalServerError
		}
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<html><body><h1>%s</h1></body></html>", http.StatusText(status))
	}
}

// hijackNoise says something else.
func hijackNoise(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = conn.Write([]byte("\x00\xff\x15 220 smtp.example\r\n{\"ok\":\r\n\r\n"))
	conn.Close()
}

// hijackReset closes the connection with a RST, if it is a TCP connection.
func hijackReset(w http.ResponseWriter) {
	h, ok := w.(http.Hijacker)
	if !ok {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := h.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if l, ok := conn.(interface{ SetLinger(int) error }); ok {
		_ = l.SetLinger(0)
	}
	conn.Close()
}
