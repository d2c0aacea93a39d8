package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/musterhq/muster/config"
)

// changes is what apply and diff answer.
type changes struct {
	Organization string
	Revision     int64
	Changes      []config.Change

	raw json.RawMessage // as the server said it
}

// sendFiles sends configuration files.
func sendFiles(ctx context.Context, a *app, f clientFlags, action string, paths []string) (out changes, err error) {
	api, err := f.client(a)
	if err != nil {
		return out, err
	}
	files, err := readFiles(paths, a.in)
	if err != nil {
		return out, err
	}
	type file struct {
		Name string `json:"name"`
		Body string `json:"body"`
	}
	body := struct {
		Files []file `json:"files"`
	}{}
	for _, f := range files {
		body.Files = append(body.Files, file{f.Name, string(f.Body)})
	}
	if err := api.call(ctx, http.MethodPost, "/api/v1/config/"+action, nil, body, &out.raw); err != nil {
		return out, err
	}
	if err := json.Unmarshal(out.raw, &out); err != nil {
		return out, fmt.Errorf("the answer to %s: %w", action, err)
	}
	return out, nil
}

type applyCmd struct {
	clientFlags
	jsonFlag
	Paths []string `arg:"" name:"path" help:"Files, or directories of *.yaml files; - is standard input. Together they are one configuration."`
}

func (applyCmd) Help() string {
	return `The configuration becomes what the files say, all of it or nothing. What files made before and these do not
have is removed. A secret written *** stays as it is.

  muster apply config/`
}

func (c applyCmd) Run(ctx context.Context, a *app) error {
	done, err := sendFiles(ctx, a, c.clientFlags, "apply", c.Paths)
	if err != nil {
		return err
	}
	if c.JSON {
		return a.printJSON(done.raw)
	}
	a.changes(done.Changes)
	_, err = fmt.Fprintf(a.out, "%s applied: revision %d\n", plural(len(done.Changes), "change"), done.Revision)
	return err
}

// changes prints what a configuration changes: a line a resource, and one for
// each value.
func (a *app) changes(changes []config.Change) {
	signs := map[string]cell{"add": {"+", green}, "change": {"~", yellow}, "remove": {"-", red}}
	for _, c := range changes {
		sign := signs[c.Op]
		if a.colour {
			sign.text = "\x1b[" + sign.colour + "m" + sign.text + "\x1b[0m"
		}
		fmt.Fprintf(a.out, "%s %s %s\n", sign.text, clean(c.Kind), clean(c.Slug))
		if c.Op != "change" {
			continue
		}
		for _, f := range c.Fields {
			switch {
			case f.Old == "":
				fmt.Fprintf(a.out, "    %s: %s\n", clean(f.Path), clean(f.New))
			case f.New == "":
				fmt.Fprintf(a.out, "    %s: %s removed\n", clean(f.Path), clean(f.Old))
			default:
				fmt.Fprintf(a.out, "    %s: %s -> %s\n", clean(f.Path), clean(f.Old), clean(f.New))
			}
		}
	}
}
