package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/store"
)

// dieEnv makes muster of the test binary. "list" prints the stations, one a
// line; "STATION/N" runs the command line and dies, as by kill -9, when the
// server passes the station for the n-th time; of the stations of a commit,
// those count that come after an event. The kill tests of internal/e2e build
// this binary; the one that is shipped has no such way to die.
const dieEnv = "MUSTER_TEST_DIE"

func TestMain(m *testing.M) {
	switch die := os.Getenv(dieEnv); die {
	case "":
		os.Exit(m.Run())
	case "list":
		fmt.Println(strings.Join(engine.Stations(), "\n"))
	default:
		os.Exit(runMortal(die))
	}
}

// betrayal is how long others may go on at the station before the end: an
// answer that was given too early is given then.
const betrayal = 50 * time.Millisecond

// runMortal is main, but for its death.
func runMortal(die string) int {
	station, passing, ok := strings.Cut(die, "/")
	n, err := strconv.ParseInt(passing, 10, 64)
	if !ok || err != nil {
		log.Printf("%s: %q, want STATION/N", dieEnv, die)
		return exitMisused
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	a := newApp()
	commit := slices.Contains(store.Stations(), station)
	var event atomic.Bool
	var passed atomic.Int64
	a.at = func(at string) {
		if at == "accepted" {
			event.Store(true)
		}
		if at != station || commit && !event.Swap(false) || passed.Add(1) != n {
			return
		}
		time.Sleep(betrayal)
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nobody goes on while the signal is on its way
	}
	return run(ctx, os.Args[1:], a)
}
