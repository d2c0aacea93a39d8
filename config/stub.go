package config

import (
	"encoding/json"
	"errors"

	"github.com/musterhq/muster/detect"
	"github.com/musterhq/muster/oncall"
)

var errNotYet = errors.New("not written yet")

type File struct {
	Name string
	Body []byte
}

func Parse(files []File, kinds Kinds) (Doc, error) { return Doc{}, errNotYet }
func (d Doc) Check(kinds Kinds) error              { return errNotYet }

type Change struct {
	Kind, Slug, Op string
	Fields         []FieldChange
}
type FieldChange struct{ Path, Old, New string }

func Diff(old, new Doc) []Change { return nil }

func (d Doc) YAML() ([]byte, error) { return nil, errNotYet }

type Resource struct {
	Kind, Slug string
	Body       json.RawMessage
}

func (d Doc) Resources() []Resource { return nil }

func FromResources(org string, resources []Resource) (Doc, error) { return Doc{}, errNotYet }

func (d Doc) DetectRule(slug string) (detect.Rule, error)   { return detect.Rule{}, errNotYet }
func (d Doc) Schedule(slug string) (oncall.Schedule, error) { return oncall.Schedule{}, errNotYet }
