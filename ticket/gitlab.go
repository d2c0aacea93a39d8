package ticket

import (
	"context"
	"errors"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/wire"
)

var errNotYet = errors.New("not written yet")

// GitLab keeps tickets as issues of a project.
var GitLab = Tracker{
	Kind: config.Kind{Name: "gitlab", Via: []string{"gitlab"}},
	Create: func(context.Context, *wire.Client, config.Settings, config.Settings, Issue) (Ref, error) {
		return Ref{}, errNotYet
	},
	Comment: func(context.Context, *wire.Client, config.Settings, config.Settings, Ref, string, string) error {
		return errNotYet
	},
	Close: func(context.Context, *wire.Client, config.Settings, config.Settings, Ref) error { return errNotYet },
}
