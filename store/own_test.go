package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/pgtest"
	"github.com/musterhq/muster/store"
)

// TestOwn: a SQLite file is one server's, until that closes it; who only opens it
// is not in the way. On PostgreSQL any number may serve.
func TestOwn(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "muster.db")
	a, b := open(t, path), open(t, path)
	if err := a.Own(); err != nil {
		t.Fatal(err)
	}
	err := b.Own()
	isError(t, err, store.ErrTaken)
	if err != nil && !strings.Contains(err.Error(), fmt.Sprint("process ", os.Getpid())) {
		t.Errorf("it does not say who has it: %v", err)
	}
	if err := a.Close(); err != nil { // the end of the test closes it once more
		t.Error(err)
	}
	if err := b.Own(); err != nil {
		t.Errorf("after the first has closed it: %v", err)
	}
	address := pgtest.DSN(t)
	for range 2 {
		if err := open(t, address).Own(); err != nil {
			t.Errorf("PostgreSQL: %v", err)
		}
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		t.Error("there is no database")
	}
}
