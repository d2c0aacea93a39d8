package main

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/musterhq/muster/internal/seal"
)

// keyOf returns the key that secrets are sealed with: the text of
// MUSTER_SECRET_KEY if there is one, else that of the key file, which is made
// where the database is new. Without file the key file lies beside the SQLite
// database; PostgreSQL has no place beside it, and replicas must share the key.
func keyOf(text, file, database string) (key seal.Key, usedFile string, err error) {
	if text != "" {
		if key, err = seal.ParseKey(text); err != nil {
			return key, "", usageError{fmt.Errorf("MUSTER_SECRET_KEY: %w", err)}
		}
		return key, "", seal.SelfTest(key)
	}
	if file == "" {
		switch {
		case database == ":memory:":
			key, err = seal.ParseKey(newKey()) // it dies with what it sealed
			return key, "", err
		case strings.Contains(database, "://"):
			return key, "", misused("no key for the secrets in the database: set MUSTER_SECRET_KEY, or --key-file FILE; all replicas need the same")
		}
		file = database + ".key"
	}
	if key, err = readKey(file); errors.Is(err, fs.ErrNotExist) {
		if info, statErr := os.Stat(database); statErr == nil && info.Size() > 0 {
			return key, "", fmt.Errorf("key file %s is missing, and the database %s is there already: its secrets cannot be opened without the key; put the file back, or set MUSTER_SECRET_KEY", file, database)
		}
		if err = makeKey(file); err == nil {
			key, err = readKey(file)
		}
	}
	if err != nil {
		return key, "", fmt.Errorf("key file %s: %w", file, plainError(err))
	}
	return key, file, seal.SelfTest(key)
}

// readKey reads a key file that nobody but its owner can.
func readKey(file string) (seal.Key, error) {
	f, err := os.Open(file)
	if err != nil {
		return seal.Key{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return seal.Key{}, err
	}
	switch mode := info.Mode(); {
	case !mode.IsRegular():
		return seal.Key{}, errors.New("is not a regular file")
	case mode.Perm()&0o077 != 0:
		return seal.Key{}, fmt.Errorf("others can read it (mode %04o); chmod 600 it, and make new secrets if anybody may have", mode.Perm())
	case info.Size() > 4096:
		return seal.Key{}, errors.New("is too large for a key")
	}
	text := make([]byte, info.Size())
	if _, err := io.ReadFull(f, text); err != nil {
		return seal.Key{}, err
	}
	return seal.ParseKey(string(text))
}

// makeKey makes a key file, whole or not at all: half a key after a power cut
// would lock the secrets up.
func makeKey(file string) error {
	dir := filepath.Dir(file)
	f, err := os.CreateTemp(dir, filepath.Base(file)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(newKey() + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Link(f.Name(), file); err != nil { // unlike a rename, it never replaces a key
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func newKey() string {
	raw := make([]byte, 32)
	rand.Read(raw) // never fails, by its documentation
	return hex.EncodeToString(raw)
}
