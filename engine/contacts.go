package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/musterhq/muster/event"
	"github.com/musterhq/muster/internal/seal"
)

// sealedContacts is what the file of contacts is sealed for.
const sealedContacts = "muster/contacts"

// ReadContacts reads the file that an engine keeps of whom to tell when there is
// no database. A file that is not there holds nobody.
func ReadContacts(file string, key seal.Key) ([]Contact, error) {
	body, err := contactsIn(file, key)
	if err != nil || body == nil {
		return nil, err
	}
	var list []Contact
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, errors.New("contacts: the file cannot be read") // its text is secret
	}
	return list, nil
}

func contactsIn(file string, key seal.Key) ([]byte, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) || file == "" {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("contacts: %w", err)
	}
	plain, err := key.Open(string(bytes.TrimSpace(text)), sealedContacts)
	if err != nil {
		return nil, fmt.Errorf("contacts: file %s: %w", file, err)
	}
	return []byte(plain), nil
}

// keepContacts writes the file anew if whom to tell, or how, has changed. A file
// that cannot be written is no reason not to work; the log tells. The lock of
// loading is held.
func (e *Engine) keepContacts() {
	if e.Contacts == "" {
		return
	}
	list := e.contacts()
	body, err := json.Marshal(list)
	if err != nil {
		e.Log.Error("keep the emergency contacts", "error", err)
		return
	}
	if e.contactsKept == nil {
		e.contactsKept, _ = contactsIn(e.Contacts, e.Key) // what cannot be read is written anew
	}
	if bytes.Equal(body, e.contactsKept) || e.contactsKept == nil && len(list) == 0 {
		return
	}
	if err := replaceFile(e.Contacts, e.Key.Seal(string(body), sealedContacts)+"\n"); err != nil {
		e.Log.Error("keep the emergency contacts: they will be missing if the server starts without its database", "file", e.Contacts, "error", err)
		return
	}
	e.contactsKept = body
	e.Log.Info("emergency contacts kept", "file", e.Contacts, "people", len(list))
}

// replaceFile writes a file that its owner alone may read, whole or not at all.
func replaceFile(name, text string) error {
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

// emergencyLoop tells people by themselves when the database takes nothing.
func (e *Engine) emergencyLoop(ctx context.Context) error {
	e.begins("emergency")
	return e.emergency.Run(ctx, e.Store.Health)
}

// refused remembers events that were not taken in, for the emergency contacts.
func (e *Engine) refused(events []event.Event) {
	var titles []string
	n := 0
	for _, ev := range events {
		if ev.Action == event.Trigger {
			n++
			titles = append(titles, ev.Title)
		}
	}
	if n > 0 {
		e.emergency.Refused(n, titles...)
	}
}
