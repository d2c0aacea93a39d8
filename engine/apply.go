package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/incident"
	"github.com/musterhq/muster/internal/id"
	"github.com/musterhq/muster/store"
)

// Applied tells what an apply did.
type Applied struct {
	Organization string          `json:"organization"` // slug
	Revision     int64           `json:"revision"`     // the new one; the present one if nothing changed
	Changes      []config.Change `json:"changes"`
}

// Validate checks files as a configuration of an organization, with all
// references. The error, if any, is a config.Errors.
func (e *Engine) Validate(org string, files []config.File) error {
	_, err := e.parse(org, files)
	return err
}

// parse reads and checks files. org is the slug they must be of; "" takes any.
func (e *Engine) parse(org string, files []config.File) (config.Doc, error) {
	doc, err := config.Parse(files, e.Kinds)
	if err != nil {
		return config.Doc{}, err
	}
	if err := doc.Check(e.Kinds); err != nil {
		return config.Doc{}, err
	}
	switch {
	case doc.Organization == "" && org == "":
		return config.Doc{}, fmt.Errorf("%w: organization: name it in a file (organization: shop)", ErrInvalid)
	case doc.Organization == "":
		doc.Organization = org
	case org != "" && doc.Organization != org:
		return config.Doc{}, fmt.Errorf("%w: organization: the files are of %q, the request is for %q", ErrInvalid, doc.Organization, org)
	}
	return doc, nil
}

// Diff tells what an apply of the files would change. org is a slug or "".
func (e *Engine) Diff(_ context.Context, org string, files []config.File) ([]config.Change, error) {
	doc, err := e.parse(org, files)
	if err != nil {
		return nil, err
	}
	changes, _, err := e.changes(doc)
	return changes, err
}

// changes compares a configuration with the one in force and fills in the
// secrets that an export left out.
func (e *Engine) changes(doc config.Doc) ([]config.Change, config.Doc, error) {
	old := config.Doc{Organization: doc.Organization}
	if s := e.setups.Load().bySlug[doc.Organization]; s != nil {
		old = s.doc
	}
	doc, err := doc.KeepSecrets(old)
	if err != nil {
		return nil, doc, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return config.Diff(old, doc), doc, nil
}

// Apply makes the files the configuration in force, as one new revision, or
// changes nothing. Running incidents keep the policy they were opened with.
// org is the slug the caller may write to; "" means any, and makes it if there
// is none.
func (e *Engine) Apply(ctx context.Context, org string, files []config.File, by incident.Cause) (Applied, error) {
	doc, err := e.parse(org, files)
	if err != nil {
		return Applied{}, err
	}
	changes, doc, err := e.changes(doc)
	if err != nil {
		return Applied{}, err
	}
	body, err := doc.YAML()
	if err != nil {
		return Applied{}, err
	}
	done := Applied{Organization: doc.Organization, Changes: changes}
	before := e.setups.Load().bySlug[doc.Organization]
	if before != nil && len(changes) == 0 {
		done.Revision = before.revision
		return done, e.release(ctx, before.org.ID)
	}
	err = e.Store.Write(ctx, func(t *store.Tx) error {
		at := now()
		owner, err := t.EnsureOrganization(doc.Organization, id.New(at), at)
		if err != nil {
			return err
		}
		sealed, err := e.sealed(owner.ID, doc)
		if err != nil {
			return err
		}
		var after int64
		ids := map[string]string{}
		if before != nil {
			after, ids = before.revision, before.ids
		}
		var resources []store.Resource
		for _, r := range sealed.Resources() {
			resource := store.Resource{Kind: r.Kind, Slug: r.Slug, ID: ids[r.Kind+"/"+r.Slug], Revision: after + 1, Body: r.Body}
			if resource.ID == "" {
				resource.ID = id.New(at)
			}
			resources = append(resources, resource)
		}
		if _, err := t.Release(owner.ID); err != nil { // what was mended by this is tried again; the rest comes back
			return err
		}
		done.Revision, err = t.PutRevision(owner.ID, after, at, string(by.Actor), string(body), resources)
		return err
	})
	if errors.Is(err, store.ErrMoved) {
		if err := e.load(ctx); err != nil {
			return Applied{}, err
		}
		return Applied{}, fmt.Errorf("apply: somebody else applied a configuration at the same time: %w", err)
	}
	if err != nil {
		return Applied{}, fmt.Errorf("apply: %w", err)
	}
	return done, e.load(ctx) // in force here when the answer leaves; other replicas look each second
}

// release lets what is in quarantine be tried again.
func (e *Engine) release(ctx context.Context, org string) error {
	return e.Store.Write(ctx, func(t *store.Tx) error {
		_, err := t.Release(org)
		return err
	})
}

// Export returns the configuration in force as YAML, without secrets.
func (e *Engine) Export(org string) ([]byte, error) {
	s, err := e.setup(org)
	if err != nil {
		return nil, err
	}
	return s.doc.YAML()
}
