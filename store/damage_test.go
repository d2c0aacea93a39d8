package store_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/store"
)

// TestDamagedLog: a log that lost what had been synced is refused at the start;
// what a power cut or a crash may leave is not.
func TestDamagedLog(t *testing.T) {
	t.Parallel()
	from := filepath.Join(t.TempDir(), "muster.db")
	s := open(t, from)
	const incidents = 20
	for i := range incidents {
		openIncident(t, s, "o", fmt.Sprint("i", i), nine)
	}
	files := map[string][]byte{} // as a kill leaves them
	for _, ending := range []string{"", "-wal", "-shm"} {
		files[ending] = must(os.ReadFile(from + ending))(t)
	}
	middle := len(files["-wal"]) / 2
	flipped := func(at int) func(map[string][]byte) {
		return func(f map[string][]byte) { f["-wal"][at] ^= 0x10; delete(f, "-shm") }
	}
	const frame = 24 + 4096
	commits := bytes.Clone(files["-wal"])
	for at := 32; at+frame <= len(files["-wal"]); at += frame {
		if f := files["-wal"][at : at+frame]; binary.BigEndian.Uint32(f[4:]) > 0 && at > 32+9*frame { // a commit
			commits = append(append(commits, f...), files["-wal"][32:32+frame]...) // and what did not follow it
			break
		}
	}
	for name, test := range map[string]struct {
		damage func(map[string][]byte)
		says   string // "": it is opened
		holds  int    // then
	}{
		"nothing":                  {func(map[string][]byte) {}, "", incidents},
		"a half written tail":      {func(f map[string][]byte) { f["-wal"] = append(f["-wal"], files["-wal"][32:5000]...) }, "", incidents},
		"what failed commits left": {func(f map[string][]byte) { f["-wal"] = commits }, "", incidents},
		"no index":                 {func(f map[string][]byte) { delete(f, "-shm") }, "", incidents},
		"an index that is torn":    {func(f map[string][]byte) { f["-shm"][20] ^= 1 }, "", incidents},
		"its end is gone":          {func(f map[string][]byte) { f["-wal"] = f["-wal"][:middle] }, "has lost its end", 0},
		"it was emptied":           {func(f map[string][]byte) { f["-wal"] = nil }, "has lost its end", 0},
		"a flipped byte":           {flipped(middle), "is whole to frame", 0},
		"a flipped byte of a salt": {flipped(32 + 100*frame + 9), "is whole to frame", 0},
		"its header is not whole":  {flipped(17), "has a header that is not whole", 0},
		"the file is cut too":      {func(f map[string][]byte) { f[""] = f[""][:4096]; delete(f, "-shm") }, "", incidents}, // all of it is in the log
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "muster.db")
			mine := map[string][]byte{}
			for ending, b := range files {
				mine[ending] = bytes.Clone(b)
			}
			test.damage(mine)
			for ending, b := range mine {
				if err := os.WriteFile(path+ending, b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			s, err := store.Open(t.Context(), path, slog.New(slog.DiscardHandler))
			if err == nil {
				defer s.Close()
			}
			if test.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				var n int
				if err := s.QueryRow(`SELECT count(*) FROM incidents`, &n); err != nil || n != test.holds {
					t.Errorf("%d incidents (%v), want %d", n, err, test.holds)
				}
				return
			}
			isDamaged(t, err, path, test.says)
			for ending, b := range mine {
				if !bytes.Equal(must(os.ReadFile(path+ending))(t), b) {
					t.Errorf("%s was changed, though it was refused", path+ending)
				}
			}
		})
	}
}

// isDamaged fails the test unless an error says which file is damaged and what
// to do.
func isDamaged(t *testing.T, err error, path, says string) {
	t.Helper()
	if !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "muster restore") || store.WorthWaiting(err) {
		t.Errorf("error %v, want one that says %q, the file, and what to do", err, says)
	}
}

// TestDamagedFile overwrites each page of a database, and cuts it: it is refused
// at the start, or the check of one of its tables finds it, and no backup is made
// of it.
func TestDamagedFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "muster.db")
	s, err := store.Open(t.Context(), path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	for i := range 60 {
		openIncident(t, s, "o", fmt.Sprint("i", i), nine)
	}
	stop()
	<-ended
	var free int
	if err := s.QueryRow(`PRAGMA freelist_count`, &free); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	sound := must(os.ReadFile(path))(t)
	look := func(content []byte) (atStart, byCheck error) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "muster.db")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := store.Open(t.Context(), path, slog.New(slog.DiscardHandler))
		if err != nil {
			isDamaged(t, err, path, "")
			return err, nil
		}
		defer s.Close()
		for _, table := range must(s.TableNames(t.Context()))(t) {
			byCheck = errors.Join(byCheck, s.CheckTable(t.Context(), table))
		}
		if byCheck != nil {
			isDamaged(t, byCheck, path, "")
			if _, err := store.Backup(t.Context(), path, io.Discard, store.BackupOptions{Now: nine}); !errors.Is(err, store.ErrDamaged) {
				t.Errorf("the check says %v, and the backup %v", byCheck, err)
			}
		}
		return nil, byCheck
	}
	if atStart, byCheck := look(sound); atStart != nil || byCheck != nil {
		t.Fatalf("nothing is wrong with it: %v %v", atStart, byCheck)
	}
	const page = 4096
	for _, size := range []int{len(sound) / 2, len(sound) - page, len(sound) - 100, 3 * page, page, 50} {
		if atStart, _ := look(sound[:size]); atStart == nil {
			t.Errorf("the first %d of %d bytes are taken for a database", size, len(sound))
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	var early, late, never int
	for n := range len(sound) / page {
		content := bytes.Clone(sound)
		for i := range page {
			content[n*page+i] = byte(random.Uint32())
		}
		atStart, byCheck := look(content)
		switch {
		case atStart != nil:
			early++
		case byCheck != nil:
			late++
		default:
			never++
		}
	}
	t.Logf("%d pages: %d were found at the start, %d by the checks; %d are not in use", early+late+never, early, late, never)
	if never > free || late == 0 {
		t.Errorf("%d overwritten pages were never found, and %d are free", never, free)
	}
}
