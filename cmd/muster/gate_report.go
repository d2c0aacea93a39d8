package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/musterhq/muster/gate"
	"github.com/musterhq/muster/internal/id"
)

// reportFlags say which server hears of a verdict.
type reportFlags struct {
	Report       string `group:"Server told" env:"MUSTER_REPORT" placeholder:"URL" help:"Tell this Muster, which keeps a ticket for each defect. The token is in MUSTER_TOKEN."`
	Gate         string `group:"Server told" env:"MUSTER_GATE" placeholder:"SLUG" help:"Name of this gate in the server's configuration."`
	Organization string `group:"Server told" short:"o" env:"MUSTER_ORGANIZATION" placeholder:"SLUG" help:"The organization, where the token is good for several."`
	TokenFile    string `group:"Server told" env:"MUSTER_TOKEN_FILE" placeholder:"FILE" help:"File that holds the token; MUSTER_TOKEN goes before it."`
	Unsent       string `group:"Server told" env:"MUSTER_UNSENT" placeholder:"FOLDER" help:"Keeps what the server could not be told, for the next time. Default: .muster/unsent of the repository."`
}

// reportWithin is how long a pipeline waits for the server, in all.
const reportWithin = 30 * time.Second

// maxUnsent bounds how many kept reports are sent at once; the rest goes with
// the runs that follow.
const maxUnsent = 50

func (f reportFlags) check(a *app) error {
	if f.Report == "" {
		return nil
	}
	if f.Gate == "" {
		return misused("--report: needs --gate (MUSTER_GATE), the gate's name in the server's configuration")
	}
	_, err := f.client(a)
	return err
}

func (f reportFlags) client(a *app) (*client, error) {
	api, err := clientFlags{Server: f.Report, Organization: f.Organization, TokenFile: f.TokenFile}.client(a)
	if err != nil {
		return nil, misused("--report: %s", strings.Replace(err.Error(), "--server (MUSTER_URL)", "it", 1))
	}
	api.http.Timeout = reportWithin / 3
	return api, nil
}

// kept is what waits in a file for the server.
type kept struct {
	Server string          `json:"server"`
	Gate   string          `group:"Server told" json:"gate"`
	What   string          `json:"what"` // reports, selftests
	Body   json.RawMessage `json:"body"`
}

// report tells the server of a verdict, after what earlier runs could not tell.
// Whatever goes wrong is said and kept, and changes no verdict.
func (f reportFlags) report(ctx context.Context, a *app, root string, r gate.Result) {
	r.ID = id.New(a.now())
	f.tell(ctx, a, root, "reports", r.ID, r)
}

func (f reportFlags) tell(ctx context.Context, a *app, root, what, name string, body any) {
	if f.Report == "" {
		return
	}
	ctx, stop := context.WithTimeout(ctx, reportWithin)
	defer stop()
	folder := cmp.Or(f.Unsent, filepath.Join(root, ".muster", "unsent"))
	text, err := json.Marshal(body)
	if err == nil {
		f.tellKept(ctx, a, folder)
		k := kept{Server: f.Report, Gate: f.Gate, What: what, Body: text}
		if err = f.send(ctx, a, k, name); err == nil {
			return
		}
		fmt.Fprintf(a.err, "muster gate: the server was not told: %s\n", cleanLines(err.Error()))
		if err = keep(folder, name, k); err == nil {
			fmt.Fprintf(a.err, "muster gate: kept in %s; the next run sends it\n", clean(folder))
			return
		}
	}
	fmt.Fprintf(a.err, "muster gate: this report is lost: %s\n", clean(err.Error()))
}

// answered is what the server says of a report.
type answered struct {
	New      int `json:"new"`
	Returned int `json:"returned"`
	Closed   int `json:"closed"`
}

func (f reportFlags) send(ctx context.Context, a *app, k kept, name string) error {
	api, err := f.client(a)
	if err != nil {
		return err
	}
	var said answered
	if err := api.postOnce(ctx, "/api/v1/gates/"+url.PathEscape(k.Gate)+"/"+k.What, name, k.Body, &said); err != nil {
		return err
	}
	if said != (answered{}) {
		fmt.Fprintf(a.err, "muster gate: %d new, %d returned, %d closed at %s\n", said.New, said.Returned, said.Closed, api.base.Host)
	}
	return nil
}

// tellKept sends what earlier runs kept for this server, the oldest first, and
// stops at the first that the server cannot take now. What it refuses for good
// is put aside.
func (f reportFlags) tellKept(ctx context.Context, a *app, folder string) {
	var names []string
	entries, _ := os.ReadDir(folder) // sorted: ids begin with the time they were made at
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".json") {
			names = append(names, filepath.Join(folder, e.Name()))
		}
	}
	for _, name := range names[:min(len(names), maxUnsent)] {
		var k kept
		text, err := os.ReadFile(name)
		if err == nil {
			err = json.Unmarshal(text, &k)
		}
		if err != nil {
			aside(a, name, err)
			continue
		}
		if k.Server != f.Report {
			continue
		}
		err = f.send(ctx, a, k, strings.TrimSuffix(filepath.Base(name), ".json"))
		if p := (problem{}); errors.As(err, &p) && p.Status/100 == 4 && !slices.Contains(
			[]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusRequestTimeout, http.StatusTooManyRequests}, p.Status) {
			aside(a, name, err)
			continue
		}
		if err != nil {
			return
		}
		_ = os.Remove(name)
	}
}

// aside renames a kept report that nobody will ever take.
func aside(a *app, name string, err error) {
	fmt.Fprintf(a.err, "muster gate: %s is refused: %s\n", clean(name), cleanLines(err.Error()))
	_ = os.Rename(name, name+".refused")
}

// keep writes a report into the folder, which git does not see.
func keep(folder, name string, k kept) error {
	text, err := json.Marshal(k)
	if err == nil {
		err = writeWhole(filepath.Join(folder, name+".json"), text)
	}
	if err == nil {
		err = writeWhole(filepath.Join(folder, ".gitignore"), []byte("*\n"))
	}
	return err
}
