package main

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// maxNote is more than the server takes of one note, in bytes.
const maxNote = 1 << 20

type noteCmd struct {
	clientFlags
	Incident string   `arg:"" help:"Number or id."`
	Text     []string `arg:"" help:"What to write down; - is standard input."`
}

func (noteCmd) Help() string {
	return `  muster note 42 "disk of db-2 was full"
  journalctl -u db -n 20 | muster note 42 -`
}

func (c noteCmd) Run(ctx context.Context, a *app) error {
	api, err := c.client(a)
	if err != nil {
		return err
	}
	text := strings.Join(c.Text, " ")
	if text == "-" {
		read, err := io.ReadAll(io.LimitReader(a.in, maxNote))
		if err != nil {
			return fmt.Errorf("read standard input: %w", err)
		}
		text = strings.TrimSpace(string(read))
	}
	if text == "" {
		return misused("text: is empty")
	}
	return api.post(ctx, incidentPath(c.Incident, "/notes"), map[string]any{"text": text}, nil)
}
