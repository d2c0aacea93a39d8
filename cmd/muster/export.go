package main

import (
	"context"
	"fmt"
	"os"
)

type exportCmd struct {
	clientFlags
	Output string `short:"f" placeholder:"FILE" help:"Write to a file in place of standard output."`
}

func (exportCmd) Help() string {
	return `Secrets are shown as references, or else as ***, which apply takes as "leave it as it is".

  muster export > config.yaml`
}

func (c exportCmd) Run(ctx context.Context, a *app) error {
	api, err := c.client(a)
	if err != nil {
		return err
	}
	var text []byte
	if err := api.get(ctx, "/api/v1/config", nil, &text); err != nil {
		return err
	}
	if c.Output == "" {
		_, err = a.out.Write(text)
		return err
	}
	if err := os.WriteFile(c.Output, text, 0o600); err != nil {
		return fmt.Errorf("--output: %w", err)
	}
	return nil
}
