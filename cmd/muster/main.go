// Command muster is Muster: the server (serve), the tools that work on files
// without one (validate, backtest), and a client of the server's HTTP API
// (everything else). It alone reads flags, the environment and key files, and
// it hands the kinds of channels, steps and trackers to config as data. It
// decides nothing about incidents.
//
// Exit codes: 0 fine, 1 the check failed or the server refused, 2 wrong use.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
)

// version is set by the linker: -ldflags "-X main.version=v1.2.3".
var version = "dev"

// The exit codes.
const (
	exitFine    = 0
	exitFailed  = 1
	exitMisused = 2
)

// commands are all of them, in the order of the help.
type commands struct {
	Version kong.VersionFlag `help:"Show the version and quit."`

	Serve  serveCmd   `cmd:"" group:"Server" help:"Run the server."`
	Demo   demoCmd    `cmd:"" group:"Server" help:"Watch one incident, from a bad release to a postmortem, on this machine."`
	Number versionCmd `cmd:"" name:"version" group:"Server" help:"Show the version."`

	Backup  backupCmd  `cmd:"" group:"Database" help:"Write all of the database into one file, while servers run."`
	Verify  verifyCmd  `cmd:"" group:"Database" help:"Check a backup, and restore nothing."`
	Restore restoreCmd `cmd:"" group:"Database" help:"Put a backup into an empty database; the servers are stopped."`
	Migrate migrateCmd `cmd:"" group:"Database" help:"Show which schema the database has, or take it down for an older version."`

	Validate validateCmd `cmd:"" group:"Configuration" help:"Check configuration files, without a server."`
	Diff     diffCmd     `cmd:"" group:"Configuration" help:"Show what apply would change."`
	Apply    applyCmd    `cmd:"" group:"Configuration" help:"Put configuration files into force."`
	Export   exportCmd   `cmd:"" group:"Configuration" help:"Print the configuration in force, as one file."`
	Backtest backtestCmd `cmd:"" group:"Configuration" help:"Tell when rules would have fired on recorded logs, without a server."`

	Gate gateCmd `cmd:"" group:"Pipelines" help:"Judge test reports, so that no leak leaves CI."`

	Send   sendCmd   `cmd:"" group:"Signals" help:"Send an event: something happened, or is over."`
	Alerts alertsCmd `cmd:"" group:"Signals" help:"List alerts."`
	Rules  rulesCmd  `cmd:"" group:"Signals" help:"Show what the rules see."`

	Connections connectionsCmd `cmd:"" group:"Ways out" help:"Show which connections fail, and since when."`

	Incidents incidentsCmd `cmd:"" group:"Incidents" help:"List or show incidents."`
	Ack       ackCmd       `cmd:"" group:"Incidents" help:"Take incidents: nobody else is paged."`
	Resolve   resolveCmd   `cmd:"" group:"Incidents" help:"Declare incidents over."`
	Snooze    snoozeCmd    `cmd:"" group:"Incidents" help:"Put incidents aside for a while."`
	Reassign  reassignCmd  `cmd:"" group:"Incidents" help:"Page others."`
	Escalate  escalateCmd  `cmd:"" group:"Incidents" help:"Page the next step of the policy now."`
	Note      noteCmd      `cmd:"" group:"Incidents" help:"Write something into the timeline."`

	OnCall   oncallCmd   `cmd:"" name:"oncall" group:"On call" help:"Show who is on call."`
	Override overrideCmd `cmd:"" group:"On call" help:"Swap shifts."`

	Runs    runsCmd    `cmd:"" group:"Automation" help:"Show the runbooks of an incident."`
	Approve approveCmd `cmd:"" group:"Automation" help:"Approve a plan."`
	Reject  rejectCmd  `cmd:"" group:"Automation" help:"Reject a plan."`

	Token tokenCmd `cmd:"" group:"Access" help:"Make, list and revoke tokens."`
}

// app is what a command may touch of the world.
type app struct {
	in       io.Reader
	out, err io.Writer
	getenv   func(string) string
	now      func() time.Time
	zone     *time.Location // in which people are shown times
	terminal bool           // out is one
	colour   bool           // out may be coloured
	width    int            // columns of out
	asks     bool           // in and out are a terminal, so that a person can be asked
	at       func(string)   // called at the stations of the server; nil but in tests
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	code := run(ctx, os.Args[1:], newApp())
	stop()
	os.Exit(code)
}

// A usageError says that the command line makes no sense.
type usageError struct{ error }

func misused(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errReported fails a command that has said why.
var errReported = errors.New("reported")

// run runs one command and returns the exit code.
func run(ctx context.Context, args []string, a *app) int {
	ended := -1
	parser, err := kong.New(&commands{},
		kong.Name("muster"),
		kong.Description("Muster finds trouble, gets the right person out of bed, and proves that the fix worked."),
		kong.Vars{"version": version, "instant": instantHelp},
		kong.Writers(a.out, a.err),
		kong.Exit(func(code int) { ended = code; panic(helped{}) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100, NoExpandSubcommands: true}),
		kong.ExplicitGroups(groups()),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(a),
	)
	if err != nil {
		return a.fail("", err)
	}
	parsed, err := parse(parser, args)
	if ended >= 0 {
		return ended
	}
	if err != nil {
		command := "muster"
		if p := (*kong.ParseError)(nil); errors.As(err, &p) {
			command = commandOf(p.Context)
		}
		return a.fail(command, usageError{err})
	}
	return a.fail(commandOf(parsed), parsed.Run())
}

// helped unwinds the parser after it has shown the help.
type helped struct{}

func parse(parser *kong.Kong, args []string) (parsed *kong.Context, err error) {
	defer func() {
		if p := recover(); p != nil {
			if _, ok := p.(helped); !ok {
				panic(p)
			}
		}
	}()
	if len(args) == 0 {
		args = []string{"--help"}
	}
	return parser.Parse(args)
}

func groups() []kong.Group {
	var out []kong.Group
	for _, title := range []string{"Server", "Database", "Configuration", "Pipelines", "Signals", "Incidents", "On call", "Automation", "Access",
		"What is judged", "What passes", "Owners", "What is written", "What is signed", "Server told"} {
		out = append(out, kong.Group{Key: title, Title: title})
	}
	return out
}

// commandOf is what was called, without its arguments: muster token add.
func commandOf(ctx *kong.Context) string {
	name := []string{"muster"}
	if ctx != nil {
		for _, step := range ctx.Path {
			if step.Command != nil {
				name = append(name, step.Command.Name)
			}
		}
	}
	return strings.Join(name, " ")
}

// fail says in one line what went wrong, if anything, and returns the exit code.
func (a *app) fail(command string, err error) int {
	switch misuse := (usageError{}); {
	case err == nil:
		return exitFine
	case errors.Is(err, errReported):
		return exitFailed
	case errors.As(err, &misuse):
		fmt.Fprintf(a.err, "%s: %s (see %s --help)\n", command, clean(err.Error()), command)
		return exitMisused
	case errors.Is(err, context.Canceled):
		fmt.Fprintf(a.err, "%s: interrupted\n", command)
		return exitFailed
	}
	fmt.Fprintf(a.err, "%s: %s\n", command, cleanLines(err.Error()))
	return exitFailed
}
