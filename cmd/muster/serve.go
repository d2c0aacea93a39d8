package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/engine"
	"github.com/musterhq/muster/store"
)

type serveCmd struct {
	Database  string         `default:"muster.db" env:"MUSTER_DATABASE" placeholder:"DB" help:"Path of a SQLite file, or postgres://… (with a password: give it in MUSTER_DATABASE)."`
	Listen    string         `default:"127.0.0.1:8080" env:"MUSTER_LISTEN" placeholder:"ADDRESS" help:"Address to listen on."`
	URL       string         `name:"url" env:"MUSTER_PUBLIC_URL" placeholder:"URL" help:"How people reach this server, for links in messages."`
	Tail      []tailFlag     `sep:"none" placeholder:"NAME=FILE" help:"Follow a log file as log source NAME (ORGANIZATION/NAME where there are several). May be repeated."`
	Config    []string       `sep:"none" placeholder:"PATH" help:"Configuration, a file or a directory, that is applied at start. May be repeated."`
	KeyFile   string         `env:"MUSTER_KEY_FILE" placeholder:"FILE" help:"Key of the secrets in the database, mode 0600; made at the first start. Default: beside the SQLite file, DB.key. MUSTER_SECRET_KEY is used in its place."`
	Allow     []netip.Prefix `placeholder:"CIDR" help:"Open a range of private addresses for outgoing connections, such as 10.1.0.0/16."`
	Secrets   []string       `name:"secrets-dir" sep:"none" placeholder:"DIR" help:"Folder in which references file:/… of a configuration may lie. May be repeated. Default: anywhere."`
	Contacts  string         `name:"contacts-file" env:"MUSTER_CONTACTS_FILE" placeholder:"FILE" help:"Keeps, sealed, the emergency contacts, for a start without the database. Default: beside the key file, with .contacts for .key."`
	Keep      keepFlags      `embed:"" prefix:"keep-"`
	Drain     lengthFlag     `default:"0s" placeholder:"TIME" help:"How long /readyz says 503 at the end, before connections are refused."`
	LogFormat string         `default:"text" enum:"text,json" help:"Of the log on standard error: text or json."`
	LogLevel  slog.Level     `default:"info" help:"debug, info, warn or error."`
}

// keepFlags say how long rows are kept; 0s is for ever.
type keepFlags struct {
	Events  lengthFlag `default:"30d" placeholder:"TIME" help:"Keep what was received so long; 0s is for ever. (${default})"`
	Windows lengthFlag `default:"30d" placeholder:"TIME" help:"Keep the counts of rules so long. (${default})"`
	Outbox  lengthFlag `default:"90d" placeholder:"TIME" help:"Keep records of what was sent so long. (${default})"`
}

func (serveCmd) Help() string {
	return `The first start prints an admin token, once; MUSTER_ADMIN_TOKEN gives one of your own. SIGTERM and SIGINT
end the server in order, within 30 seconds; a second signal ends it at once.

  muster serve --config config/ --tail web=/var/log/nginx/access.log
  MUSTER_DATABASE=postgres://muster@db/muster muster serve --listen :8080 --key-file /etc/muster/key`
}

func (c serveCmd) Run(ctx context.Context, a *app) error {
	o, err := c.options(a)
	if err != nil {
		return err
	}
	s, err := startServer(ctx, o)
	if err != nil {
		return c.explain(err, a.err)
	}
	fmt.Fprintf(a.out, "Muster %s listens on %s\n", version, s.URL)
	if s.Admin != "" {
		fmt.Fprintf(a.out, "Admin token, shown this once: %s\n", s.Admin)
	}
	o.Log.Info("listening", "address", s.Addr, "database", s.store.Dialect(), "version", version)

	var failed error
	select {
	case <-ctx.Done():
	case <-s.Ended:
		failed = errors.New("the loops ended")
	case err := <-s.serving:
		failed = fmt.Errorf("the listener ended: %w", err)
	}
	o.Log.Info("stopping; a second signal ends at once")
	err = s.Stop(context.WithoutCancel(ctx))
	if err == nil && failed == nil {
		o.Log.Info("stopped")
	}
	return errors.Join(failed, err)
}

// options turns flags and environment into what a server is made of.
func (c serveCmd) options(a *app) (serveOptions, error) {
	o := serveOptions{
		Database: c.Database, Listen: c.Listen, URL: c.URL, Allow: c.Allow, Drain: time.Duration(c.Drain),
		AdminToken: a.getenv("MUSTER_ADMIN_TOKEN"), Log: c.logger(a.err), At: a.at,
		Keep: store.Keep{
			Events: time.Duration(c.Keep.Events), Windows: time.Duration(c.Keep.Windows), Outbox: time.Duration(c.Keep.Outbox),
			Answers: 48 * time.Hour, Complaints: 30 * 24 * time.Hour, Tombstones: 24 * time.Hour,
		},
	}
	if u, err := url.Parse(c.URL); c.URL != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
		return o, misused("--url: wants an address such as https://muster.example.com")
	}
	for _, t := range c.Tail {
		if _, err := os.Stat(t.Path); err != nil {
			o.Log.Warn("a log file cannot be read now; it is followed once it can", "source", t.Source, "error", err)
		}
		o.Tails = append(o.Tails, engine.TailFile(t))
	}
	for _, dir := range c.Secrets {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return o, misused("--secrets-dir %s: is no folder", dir)
		}
	}
	var err error
	if o.Config, err = readFiles(c.Config, a.in); err != nil {
		return o, fmt.Errorf("--config: %w", err)
	}
	key, file, err := keyOf(a.getenv("MUSTER_SECRET_KEY"), c.KeyFile, c.Database)
	if err != nil {
		return o, err
	}
	o.Key = key
	if o.Contacts = c.Contacts; o.Contacts == "" && file != "" {
		o.Contacts = strings.TrimSuffix(file, ".key") + ".contacts"
	}
	o.Resolve = resolver{getenv: a.getenv, forbidden: ownFiles(c.Database, file, o.Contacts), dirs: c.Secrets}.resolve
	return o, nil
}

func (c serveCmd) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: c.LogLevel}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// explain writes the mistakes of a configuration one a line, as validate does.
func (c serveCmd) explain(err error, stderr io.Writer) error {
	problems := config.Errors{}
	if !errors.As(err, &problems) {
		return err
	}
	for _, p := range problems {
		fmt.Fprintln(stderr, clean(p.Error()))
	}
	return errReported
}

// A tailFlag is ORGANIZATION/NAME=FILE or NAME=FILE.
type tailFlag engine.TailFile

func (t *tailFlag) UnmarshalText(text []byte) error {
	name, file, ok := strings.Cut(string(text), "=")
	if !ok || name == "" || file == "" {
		return fmt.Errorf("wants NAME=FILE, has %q", text)
	}
	if org, source, ok := strings.Cut(name, "/"); ok {
		t.Organization, name = org, source
	}
	// Where reading stopped is kept by path: it must not depend on the folder
	// that the server was started in.
	path, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	t.Source, t.Path = name, path
	return nil
}

// A lengthFlag is a duration such as 30d or 1h30m.
type lengthFlag time.Duration

func (l *lengthFlag) UnmarshalText(text []byte) error {
	d, err := config.ParseDuration(string(text))
	*l = lengthFlag(d)
	return err
}
