package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"
)

// The faults of the demo's stories.
const (
	faultNoRecovery = "no-recovery"
	faultGitLab     = "gitlab-refuses"
)

// demoCmd tells the story of one incident, from a bad release to a postmortem,
// with nothing faked inside Muster.
type demoCmd struct {
	Once  bool          `help:"Play the responder too, and end with the story."`
	JSON  bool          `name:"json" help:"Print one JSON object with the instant of each station; needs --once."`
	Fault string        `enum:"none,no-recovery,gitlab-refuses" default:"none" help:"Let the story fail: ${enum}."`
	Dir   string        `type:"path" help:"Keep database, log and postmortem in this folder instead of a temporary one."`
	Limit time.Duration `default:"85s" help:"Give up on a story that takes longer."`
}

func (demoCmd) Help() string {
	return `Starts, on loopback, a small shop under traffic, stand-ins for GitLab, Slack, a mail
server and a pager, and Muster itself on the embedded database. Then release v42 goes live
and 3 % of checkouts fail. Windows are shortened so that the story fits into a minute.

  muster demo                          watch it, and press the buttons yourself
  muster demo --once --json            without a person; exit 0 only if every station was reached
  muster demo --once --fault no-recovery`
}

func (c demoCmd) Run(ctx context.Context, a *app) error {
	if c.JSON && !c.Once {
		return misused("--json: needs --once")
	}
	if c.Fault == "none" {
		c.Fault = ""
	}
	dir := c.Dir
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "muster-demo-"); err != nil {
			return err
		}
		if c.Once {
			defer os.RemoveAll(dir)
		}
	} else if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	logFile, err := os.Create(filepath.Join(dir, "muster.log"))
	if err != nil {
		return err
	}
	defer logFile.Close()
	log := slog.New(slog.NewJSONHandler(logFile, nil))

	w, err := startDemo(ctx, dir, c.Fault, log)
	if err != nil {
		return err
	}
	defer w.close()
	out := a.out
	if c.JSON {
		out = io.Discard
	}
	s := &story{world: w, out: out, fault: c.Fault, dir: dir, api: newDemoAPI(w), begun: time.Now()}
	storyCtx, cancel := context.WithTimeout(ctx, c.Limit)
	if c.attended(a) {
		cancel()
		storyCtx, cancel = context.WithCancel(ctx)
		s.ask = asker(a.in)
	}
	defer cancel()
	failed := s.play(storyCtx)
	if c.JSON {
		body, err := json.MarshalIndent(s.result(), "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(a.out, string(body))
	}
	if c.attended(a) && ctx.Err() == nil {
		s.say("", "The API goes on at %s (token %s), everything is in %s. Ctrl-C ends it.", w.muster.URL, w.token, dir)
		<-ctx.Done()
		return nil
	}
	return failed
}

// attended tells whether a person is there to press buttons and to end it.
func (c demoCmd) attended(a *app) bool { return !c.Once && a.asks }

// asker returns a function that waits for a person to press Enter.
func asker(in io.Reader) func(context.Context) bool {
	lines := make(chan struct{})
	go func() {
		scan := bufio.NewScanner(in)
		for scan.Scan() {
			lines <- struct{}{}
		}
		close(lines)
	}()
	return func(ctx context.Context) bool {
		select {
		case <-lines: // also when nobody can be asked
			return true
		case <-ctx.Done():
			return false
		}
	}
}

func webhookSecret() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}
