package store

import (
	"context"
	"database/sql/driver"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// shutFor is how long nobody knocks at a PostgreSQL after one who was not let
// in. A server that comes back is not met by a crowd, and one that is there
// again waits no longer than this.
const shutFor = 200 * time.Millisecond

// A door makes connections to a PostgreSQL. Once one could not be made, all who
// want one are told so without a try, but for one of them now and then.
type door struct {
	driver.Connector

	mu       sync.Mutex
	failed   error // what the last try ended with; nil: everybody may try
	resting  bool  // nobody may
	knocking bool  // somebody does
}

func newDoor(address string) (*door, error) {
	config, err := pgx.ParseConfig(address)
	if err != nil {
		return nil, err
	}
	return &door{Connector: stdlib.GetConnector(*config)}, nil
}

// Connect is part of driver.Connector.
func (d *door) Connect(ctx context.Context) (driver.Conn, error) {
	d.mu.Lock()
	if d.failed != nil {
		if d.resting || d.knocking {
			defer d.mu.Unlock()
			return nil, d.failed
		}
		d.knocking = true
	}
	d.mu.Unlock()
	conn, err := d.Connector.Connect(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.knocking = false
	if err == nil {
		d.failed = nil
		return conn, nil
	}
	if ctx.Err() == nil { // who gave up himself learnt nothing
		d.failed = err
		if !d.resting {
			d.resting = true
			time.AfterFunc(shutFor, d.reopen)
		}
	}
	return nil, err
}

func (d *door) reopen() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.resting = false
}
