package main

import (
	"context"
	"encoding/json"
	"time"
)

type connectionsCmd struct {
	clientFlags
	jsonFlag
}

func (connectionsCmd) Help() string {
	return `What the server that answers knows of each connection: whether something gets through, and since when nothing does.`
}

func (c connectionsCmd) Run(ctx context.Context, a *app) error {
	api, err := c.client(a)
	if err != nil {
		return err
	}
	var answer struct{ Connections []json.RawMessage }
	if err := api.get(ctx, "/api/v1/connections", nil, &answer); err != nil {
		return err
	}
	type connection struct {
		Connection, Kind, Health, Error string
		Since                           time.Time
		SentAt                          time.Time `json:"sent_at"`
	}
	list, err := decoded[connection](answer.Connections)
	if err != nil {
		return err
	}
	t := &table{head: []string{"CONNECTION", "KIND", "HEALTH", "SINCE", "LAST SENT", "ERROR"}}
	for _, v := range list {
		health := cell{v.Health, ""}
		switch v.Health {
		case "failing":
			health = cell{v.Health, red}
		case "works":
			health = cell{v.Health, green}
		}
		t.add(v.Connection, v.Kind, health, a.when(v.Since), a.when(v.SentAt), v.Error)
	}
	return c.print(a, answer.Connections, "There are no connections.", t)
}
