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
	faultNoFix      = "no-fix"
)

// storyLeak is the story of a leak that cannot leave CI; the other one is that of
// a rollback.
const storyLeak = "leak"

// demoCmd tells a story, with nothing faked inside Muster: that of one incident,
// from a bad release to a postmortem, or that of a leak, from the push that is
// refused to the ticket that closes.
type demoCmd struct {
	Story string        `enum:"rollback,leak" default:"rollback" help:"Which one: rollback (a bad release), leak (a leak that cannot leave CI; needs git, a C compiler and Valgrind)."`
	Once  bool          `help:"Play the responder too, and end with the story."`
	JSON  bool          `name:"json" help:"Print one JSON object with the instant of each station; needs --once."`
	Fault string        `enum:"none,no-recovery,gitlab-refuses,no-fix" default:"none" help:"Let the story fail: ${enum}."`
	Dir   string        `type:"path" help:"Keep database, log and postmortem in this folder instead of a temporary one."`
	Limit time.Duration `default:"85s" help:"Give up on a story that takes longer."`
}

func (demoCmd) Help() string {
	return `Starts, on loopback, a small shop under traffic, stand-ins for GitLab, Slack, a mail
server and a pager, and Muster itself on the embedded database. Then release v42 goes live
and 3 % of checkouts fail. Windows are shortened so that the story fits into a minute.

  muster demo                          watch it, and press the buttons yourself
  muster demo --once --json            without a person; exit 0 only if every station was reached
  muster demo --once --fault no-recovery
  muster demo --story leak             a leak is pushed, refused, ticketed, mended, accepted`
}

func (c demoCmd) Run(ctx context.Context, a *app) error {
	if c.JSON && !c.Once {
		return misused("--json: needs --once")
	}
	if c.Fault == "none" {
		c.Fault = ""
	}
	if c.Fault != "" && (c.Fault == faultNoFix) != (c.Story == storyLeak) {
		return misused("--fault: %s is none of the story %s", c.Fault, c.Story)
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
	say := narrator{out: out, begun: time.Now()}
	storyCtx, cancel := c.limited(ctx, a)
	defer cancel()
	var told tale
	if c.Story == storyLeak {
		told = &leakStory{narrator: say, world: w, fault: c.Fault, dir: dir}
	} else {
		s := &story{narrator: say, world: w, fault: c.Fault, dir: dir, api: newDemoAPI(w)}
		if c.attended(a) {
			s.ask = asker(a.in)
		}
		told = s
	}
	failed := told.play(storyCtx)
	if c.JSON {
		body, err := json.MarshalIndent(told.result(), "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(a.out, string(body))
	}
	if c.attended(a) && ctx.Err() == nil {
		say.say("", "The API goes on at %s (token %s), everything is in %s. Ctrl-C ends it.", w.muster.URL, w.token, dir)
		<-ctx.Done()
		return nil
	}
	return failed
}

// A tale is a story that can be told.
type tale interface {
	play(ctx context.Context) error // an error: it did not end as it should
	result() map[string]any         // what --json prints
}

// A narrator prints the lines of a story.
type narrator struct {
	out   io.Writer
	begun time.Time
}

// say prints a line with the seconds since the beginning.
func (n narrator) say(who, format string, args ...any) {
	fmt.Fprintf(n.out, "%6.1fs  %-10s %s\n", time.Since(n.begun).Seconds(), who, fmt.Sprintf(format, args...))
}

// limited ends a story that takes too long, unless a person takes the time.
func (c demoCmd) limited(ctx context.Context, a *app) (context.Context, context.CancelFunc) {
	if c.attended(a) && c.Story != storyLeak {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, c.Limit)
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
