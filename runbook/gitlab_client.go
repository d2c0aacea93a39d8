package runbook

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	gitlab "gitlab.com/gitlab-org/api/client-go/v2"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/wire"
)

// GitLabConnection is what a connection to GitLab is made of.
var GitLabConnection = config.Kind{
	Name:    "gitlab",
	Address: &config.Field{Name: "url", Label: "URL", Help: "of the server, without /api/v4", Default: "https://gitlab.com", Required: true, Type: "url"},
	Fields: []config.Field{
		{Name: "token", Label: "Access token", Help: "of a project, a group or a person, with scope api and role developer", Required: true, Secret: true},
	},
}

// Connections are the kinds of connection that steps need.
var Connections = []config.Kind{GitLabConnection}

// Environments say what a service's environment tells of itself, by kind of
// connection.
var Environments = []config.Kind{{Name: "gitlab", Fields: []config.Field{
	{Name: "project", Label: "Project", Help: "its path, group/project, or its number", Required: true},
	{Name: "environment", Label: "Environment", Help: "as GitLab calls it", Required: true},
}}}

// How many deployments the choice looks back, and in pages of what size.
const (
	historyPages = 2
	historyPage  = 50
)

// gitlabAPI reads and retries, with GitLab's client over our wire.
type gitlabAPI struct {
	api     *gitlab.Client
	wire    *wire.Client
	server  string
	secrets []string
}

// noLimit stops the client from sleeping once it has seen a RateLimit header:
// to wait is the engine's business.
type noLimit struct{}

func (noLimit) Wait(context.Context) error { return nil }

func openGitLab(env Env) (gitlabAPI, error) {
	server := strings.TrimSuffix(env.Connection["url"], "/")
	token := env.Connection["token"]
	switch {
	case server == "":
		return gitlabAPI{}, fmt.Errorf("gitlab.rollback: %w: the connection has no url", wire.ErrRefused)
	case token == "":
		return gitlabAPI{}, fmt.Errorf("gitlab.rollback: %w: the connection has no token", wire.ErrRefused)
	}
	g := gitlabAPI{wire: env.Wire, server: server, secrets: append([]string{token}, env.Secrets...)}
	var err error
	g.api, err = gitlab.NewClient(token,
		gitlab.WithURLWarningLogger(slog.New(slog.DiscardHandler)), // before the URL that it would warn of
		gitlab.WithBaseURL(server),
		gitlab.WithHTTPClient(env.Wire.HTTP(g.secrets...)),
		gitlab.WithoutRetries(),
		gitlab.WithCustomLimiter(noLimit{}),
		gitlab.WithUserAgent("muster"),
	)
	if err != nil {
		return gitlabAPI{}, wire.Redact(fmt.Errorf("gitlab.rollback: %w: %w", wire.ErrRefused, err), g.secrets...)
	}
	return g, nil
}

// fail makes an error of the client one for wire.Verdict, in our words and
// without secrets.
func (g gitlabAPI) fail(what string, resp *gitlab.Response, err error) error {
	const most = 200
	if resp != nil && resp.Response != nil {
		verdict := g.wire.Judge(resp.StatusCode, resp.Header)
		var answer *gitlab.ErrorResponse
		switch {
		case verdict == nil:
			err = fmt.Errorf("the answer is not GitLab's: %w", err)
		case errors.As(err, &answer) && answer.Message != "" && resp.StatusCode != 404:
			clean := wire.Redact(errors.New(answer.Message), g.secrets...).Error() // before it is cut: half a secret would stay
			if len(clean) > most {
				clean = strings.ToValidUTF8(clean[:most], "") + "…"
			}
			err = fmt.Errorf("%w: %q", verdict, clean)
		default:
			err = verdict
		}
	}
	return wire.Redact(fmt.Errorf("gitlab.rollback: %s: %w", what, err), g.secrets...)
}

// history reads the latest deployments of an environment, of every status.
func (g gitlabAPI) history(ctx context.Context, project any, environment string) (history, error) {
	opt := &gitlab.ListProjectDeploymentsOptions{
		ListOptions: gitlab.ListOptions{PerPage: historyPage, Page: 1},
		Environment: gitlab.Ptr(environment),
		OrderBy:     gitlab.Ptr("id"),
		Sort:        gitlab.Ptr("desc"), // GitLab's default is the oldest first
	}
	var out history
	for range historyPages {
		some, resp, err := g.api.Deployments.ListProjectDeployments(project, opt, gitlab.WithContext(ctx))
		if err != nil {
			return nil, g.fail("read the deployments", resp, err)
		}
		for _, d := range some {
			if d.Environment != nil && d.Environment.Name != environment {
				continue // the filter must not be taken on trust
			}
			out = append(out, deploymentOf(d))
		}
		if resp.NextPage == 0 {
			break
		}
		opt.Page = resp.NextPage
	}
	return out, nil
}

func deploymentOf(d *gitlab.Deployment) deployment {
	first := func(times ...*time.Time) time.Time {
		for _, t := range times {
			if t != nil && !t.IsZero() {
				return *t
			}
		}
		return time.Time{}
	}
	out := deployment{
		ID: d.ID, SHA: d.SHA, Ref: d.Ref, Status: d.Status, Job: d.Deployable.ID, By: "somebody",
		Started: first(d.Deployable.StartedAt, d.CreatedAt),
		Landed:  first(d.Deployable.FinishedAt, d.UpdatedAt, d.CreatedAt),
	}
	switch d.Deployable.Status {
	case "success", "failed", "canceled":
		out.JobEnd = out.Job != 0
	}
	if d.User != nil && d.User.Username != "" {
		out.By = d.User.Username
	}
	return out
}
