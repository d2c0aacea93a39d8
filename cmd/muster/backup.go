package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/musterhq/muster/internal/archive"
	"github.com/musterhq/muster/store"
)

// databaseFlag is that of the commands that need no server and work on its
// database.
type databaseFlag struct {
	Database string `default:"muster.db" env:"MUSTER_DATABASE" placeholder:"DB" help:"Path of a SQLite file, or postgres://… (with a password: give it in MUSTER_DATABASE)."`
}

type backupCmd struct {
	databaseFlag
	jsonFlag
	Out string `placeholder:"FILE" help:"The file to make. Default: muster-INSTANT.backup in this folder."`
}

func (backupCmd) Help() string {
	return `Servers go on meanwhile. The file holds everything of one instant, is the same for both kinds of database, and is
read again before it gets its name. Secrets are sealed in it, and THE KEY IS NOT IN IT: keep that as well, in another place.

  muster backup --database /var/lib/muster/muster.db --out /backup/muster.backup`
}

func (c backupCmd) Run(ctx context.Context, a *app) error {
	at := a.now().UTC()
	name := c.Out
	if name == "" {
		name = "muster-" + at.Format("20060102T150405Z") + ".backup"
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return misused("--out %s: is no file", name)
	}
	bar := a.counting()
	sum, err := writeBackup(name, func(to io.Writer) (archive.Summary, error) {
		return store.Backup(ctx, c.Database, to, store.BackupOptions{Program: version, Now: at, Progress: bar.told})
	})
	bar.clear()
	if err != nil {
		return describe(err)
	}
	if c.JSON {
		return a.printJSON(report(name, sum))
	}
	fmt.Fprintf(a.out, "%s: %s in %s, %s, read again and found whole\n", name, count(sum.Rows, "row", "rows"), plural(len(sum.Tables), "table"), size(sum.Size))
	return a.aboutKeys(sum)
}

// writeBackup makes a file that is whole or not there: under another name until
// it is on disk and was read again.
func writeBackup(name string, write func(io.Writer) (archive.Summary, error)) (sum archive.Summary, err error) {
	dir := filepath.Dir(name)
	f, err := os.CreateTemp(dir, "."+filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return sum, err
	}
	defer os.Remove(f.Name()) // it has another name if all went well
	defer f.Close()
	buffered := bufio.NewWriterSize(f, 1<<20)
	if sum, err = write(buffered); err != nil {
		return sum, err
	}
	if err := errors.Join(buffered.Flush(), f.Sync()); err != nil {
		return sum, fmt.Errorf("write %s: %w", name, err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return sum, err
	}
	again, err := archive.Verify(f, nil)
	if err == nil && (again.Rows != sum.Rows || again.Size != sum.Size) {
		err = archive.ErrDamaged
	}
	if err != nil {
		return sum, fmt.Errorf("what was written does not read well: %w", err)
	}
	if err := os.Rename(f.Name(), name); err != nil {
		return sum, err
	}
	d, err := os.Open(dir)
	if err != nil {
		return sum, err
	}
	return sum, errors.Join(d.Sync(), d.Close())
}

// aboutKeys says which key a backup needs.
func (a *app) aboutKeys(sum archive.Summary) error {
	if len(sum.Keys) == 0 {
		_, err := fmt.Fprintln(a.out, "It holds no sealed secrets.")
		return err
	}
	_, err := fmt.Fprintf(a.out, "Its secrets are sealed with key %s, which is NOT in it: without the key file (or MUSTER_SECRET_KEY) they are lost.\n", strings.Join(sum.Keys, ", "))
	return err
}

type verifyCmd struct {
	jsonFlag
	File string `arg:"" help:"A backup."`
}

func (verifyCmd) Help() string {
	return `Reads a backup to its end, compares every checksum and count, and restores nothing. Exit code 1: it is damaged; the
message says where.`
}

func (c verifyCmd) Run(_ context.Context, a *app) error {
	f, err := openBackup(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	sum, err := archive.Verify(f, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	if c.JSON {
		return a.printJSON(report(c.File, sum))
	}
	h := sum.Header
	fmt.Fprintf(a.out, "%s is whole: %s of schema %d, made by Muster %s from %s at %s\n",
		c.File, count(sum.Rows, "row", "rows"), h.Schema, clean(h.Program), clean(h.Database), a.when(h.MadeAt))
	return a.aboutKeys(sum)
}

// openBackup opens a file of backups; one that is not there is wrong use.
func openBackup(name string) (*os.File, error) {
	f, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, usageError{err}
	}
	return f, err
}

type restoreCmd struct {
	databaseFlag
	jsonFlag
	Replace bool   `help:"Also where the database has rows: they are replaced. A SQLite file is kept as DB.before-restore."`
	File    string `arg:"" help:"A backup."`
}

func (restoreCmd) Help() string {
	return `The backup is checked first; then all of it is restored, or nothing. Stop the servers before. The kind of database may
be another than the backup's. The first server that starts then judges anew what had been due: nothing that was closed
is paged again, and whoever is responsible for what was open is told once that Muster was restored.

  muster restore /backup/muster.backup --database /var/lib/muster/muster.db`
}

func (c restoreCmd) Run(ctx context.Context, a *app) error {
	f, err := openBackup(c.File)
	if err != nil {
		return err
	}
	defer f.Close()
	bar := a.counting()
	began := a.now()
	sum, err := store.Restore(ctx, c.Database, f, store.RestoreOptions{Now: began.UTC(), Replace: c.Replace, Progress: bar.told})
	bar.clear()
	if errors.Is(err, store.ErrNotEmpty) {
		return fmt.Errorf("%w; --replace replaces them", describe(err))
	}
	if err != nil {
		return describe(err)
	}
	if c.JSON {
		return a.printJSON(report(c.File, sum))
	}
	fmt.Fprintf(a.out, "restored: %s as of %s, in %v\n", count(sum.Rows, "row", "rows"), a.when(sum.Header.MadeAt), a.now().Sub(began).Round(100*time.Millisecond))
	return a.aboutKeys(sum)
}

// describe makes a file that is not there wrong use.
func describe(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return usageError{err}
	}
	return err
}

// backupReport is what --json prints of a backup.
type backupReport struct {
	File     string          `json:"file"`
	Schema   int64           `json:"schema"`
	Database string          `json:"database"` // it was made from
	Program  string          `json:"program"`  // version of what made it
	MadeAt   time.Time       `json:"made_at"`
	Rows     int64           `json:"rows"`
	Size     int64           `json:"size"` // bytes
	Keys     []string        `json:"keys"` // that its secrets are sealed with
	Tables   []archive.Tally `json:"tables"`
}

func report(name string, sum archive.Summary) backupReport {
	h := sum.Header
	return backupReport{name, h.Schema, h.Database, h.Program, h.MadeAt, sum.Rows, sum.Size, append([]string{}, sum.Keys...), sum.Tables}
}

// A counter shows on a terminal how far long work is.
type counter struct {
	to   io.Writer // nil: no terminal
	last time.Time
	now  func() time.Time
}

func (a *app) counting() *counter {
	if !a.terminal {
		return &counter{now: a.now}
	}
	return &counter{to: a.err, now: a.now}
}

func (c *counter) told(table string, rows int64) {
	if c.to == nil || c.now().Sub(c.last) < 100*time.Millisecond {
		return
	}
	c.last = c.now()
	fmt.Fprintf(c.to, "\r\x1b[K%s %d", table, rows)
}

func (c *counter) clear() {
	if c.to != nil && !c.last.IsZero() {
		fmt.Fprint(c.to, "\r\x1b[K")
	}
}

// size says bytes as people do.
func size(n int64) string {
	switch {
	case n < 10_000:
		return fmt.Sprintf("%d bytes", n)
	case n < 10_000_000:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
