// Package pgtest gives tests a real PostgreSQL.
//
// It knows how to find the server's binaries, to run a cluster of its own in
// a temporary folder on a unix socket, to hand out fresh databases, and to
// leave nothing behind however the test process ends. It knows nothing about
// Muster's schema. Only tests and the runner of the tests import it; that is
// why it may read the environment (Env).
package pgtest

import (
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// Env names the environment variable that holds the URL of a cluster which
// several test processes share, as Cluster.URL returns it. The runner of the
// tests sets it; where it is empty, DSN starts a cluster for its process.
const Env = "MUSTER_TEST_PG"

// DSN returns the URL of a fresh, empty database in the cluster that Env
// names or, without one, in a cluster that the first call in a process starts
// and the end of the process removes. The database is dropped when t ends,
// with whatever is still connected to it. The test fails, and is never
// skipped, where no PostgreSQL can be had.
//
// The cluster is shared: a test that restarts or breaks it calls Start.
func DSN(t testing.TB) string {
	t.Helper()
	c, err := shared()
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	return c.NewDatabase(t)
}

var shared = sync.OnceValues(func() (*Cluster, error) {
	if admin := os.Getenv(Env); admin != "" {
		return &Cluster{admin: admin}, nil
	}
	return Start()
})

// URL returns the URL of the cluster's administration database, in the form
// that pgx and Env take. It holds no password: who may enter the cluster's
// folder may connect.
func (c *Cluster) URL() string { return c.admin }

// NewDatabase makes an empty database (UTF-8, C collation) and returns its
// URL, in the form postgres://postgres@/NAME?host=FOLDER. It is dropped when
// t ends, with whatever is still connected to it. The test fails where that
// cannot be done.
func (c *Cluster) NewDatabase(t testing.TB) (dsn string) {
	t.Helper()
	name := "t_" + strings.ToLower(rand.Text()[:16])
	if err := c.exec("CREATE DATABASE " + name + " TEMPLATE template0"); err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	t.Cleanup(func() {
		if err := c.exec("DROP DATABASE " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("pgtest: %v", err)
		}
	})
	u, err := url.Parse(c.admin)
	if err != nil {
		t.Fatalf("pgtest: %v", err)
	}
	u.Path = "/" + name
	return u.String()
}

// exec runs one statement on a connection of its own, so that a restart of
// the server between two calls leaves no dead connection in a pool.
func (c *Cluster) exec(statement string) error {
	db, err := sql.Open("pgx", c.admin)
	if err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	_, err = db.Exec(statement)
	if err := errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("%s: %w", statement, err)
	}
	return nil
}
