package race

import (
	"sync"
	"testing"
)

var count int

func add() { count++ }

func TestRace(t *testing.T) {
	var both sync.WaitGroup
	for range 2 {
		both.Add(1)
		go func() {
			defer both.Done()
			add()
		}()
	}
	both.Wait()
}

func TestQuiet(t *testing.T) {}
