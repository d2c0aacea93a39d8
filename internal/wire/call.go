package wire

import (
	"errors"
	"io"
	"sync"
	"time"
)

// A Call is what is told of one HTTP exchange, or of one connection of Dial
// (its Method is TCP), for metrics. It holds no path and no header, for either
// may be a secret.
type Call struct {
	Host    string
	Method  string
	Status  int           // 0 if no answer came
	Took    time.Duration // by Options.Now, to the last byte read
	Bytes   int64         // of the answer's body, decompressed, as far as read
	Outcome string        // "ok", "refused", "later", "failed"
}

// ErrTooLarge is returned by the reader of an answer that is longer than
// Options.MaxBody. What was read before it is good.
var ErrTooLarge = errors.New("answer too large")

// outcome names what an exchange came to.
func outcome(status int, err error) string {
	if err != nil && !errors.Is(err, ErrTooLarge) {
		if refused, _ := Verdict(err); refused {
			return "refused"
		}
		return "failed"
	}
	switch {
	case status >= 200 && status < 300:
		return "ok"
	case status == 429 || status == 503:
		return "later"
	case again(status):
		return "failed"
	default:
		return "refused"
	}
}

// capped ends a body at a number of bytes and tells, once, how much was read.
type capped struct {
	body io.ReadCloser
	left int64
	read int64
	err  error
	once sync.Once
	done func(read int64, err error)
}

func (c *capped) Read(p []byte) (int, error) {
	if c.err != nil {
		return 0, c.err
	}
	if int64(len(p)) > c.left+1 {
		p = p[:c.left+1]
	}
	n, err := c.body.Read(p)
	if int64(n) > c.left { // one byte more than allowed was asked for, and came
		n, err = int(c.left), ErrTooLarge
	}
	c.left -= int64(n)
	c.read += int64(n)
	c.err = err
	return n, err
}

func (c *capped) Close() error {
	err := c.body.Close()
	c.once.Do(func() {
		failure := c.err
		if errors.Is(failure, io.EOF) {
			failure = nil
		}
		c.done(c.read, failure)
	})
	return err
}
