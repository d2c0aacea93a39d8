package leak

import (
	"testing"

	"go.uber.org/goleak"
)

func leave(c chan int) { c <- 1 }

func TestLeak(t *testing.T) {
	defer goleak.VerifyNone(t)
	go leave(make(chan int))
}
