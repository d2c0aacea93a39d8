package ticket

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/musterhq/muster/config"
	"github.com/musterhq/muster/internal/wire"
)

// GitLab keeps tickets as issues of a project
// (https://docs.gitlab.com/api/issues/, https://docs.gitlab.com/api/notes/,
// https://docs.gitlab.com/api/users/).
//
// It needs six plain calls, and makes them without GitLab's client: that would
// sleep, try again and log on its own, and wire already judges and redacts.
var GitLab = Tracker{
	Kind: config.Kind{
		Name: "gitlab",
		Via:  []string{"gitlab"},
		Fields: []config.Field{
			{Name: "project", Label: "Project", Help: "its path or number, such as shop/checkout", Required: true},
			{Name: "labels", Label: "Labels", Help: "of each ticket, besides muster", Type: "list"},
			{Name: "assignees", Label: "Assignees", Help: "names of users; GitLab's free tier takes the first", Type: "list"},
			{Name: "confidential", Label: "Confidential", Help: "only members of the project see it", Type: "bool"},
		},
	},
	Create:  createGitLab,
	Comment: commentGitLab,
	Close:   closeGitLab,
	Reopen:  reopenGitLab,
}

// gitlabLabel marks our issues. Outsiders can open issues in a public project,
// and copy a marker, but cannot set labels.
const gitlabLabel = "muster"

// How far back we look for what we wrote before: issues, and comments of one.
const (
	perPage  = 20
	maxPages = 10
)

// errTooLarge is a page that was cut. What stands in it is taken for not ours:
// to write twice is better than never, because of what others wrote.
var errTooLarge = errors.New("the answer is too large")

// gitlabAPI is one project of one server.
type gitlabAPI struct {
	wire    *wire.Client
	base    string // of the project, without a slash at the end
	token   string
	project string
}

type gitlabUser struct {
	ID       int64  `json:"id"`
	Username string `json:"username"`
}

type gitlabIssue struct {
	IID         int64    `json:"iid"`
	State       string   `json:"state"`
	Description string   `json:"description"`
	Labels      []string `json:"labels"`
	WebURL      string   `json:"web_url"`
}

type gitlabNote struct {
	Body   string     `json:"body"`
	System bool       `json:"system"`
	Author gitlabUser `json:"author"`
}

func openGitLab(w *wire.Client, conn, set config.Settings) (gitlabAPI, error) {
	server, token, project := strings.TrimSuffix(conn["url"], "/"), conn["token"], set["project"]
	switch {
	case server == "":
		return gitlabAPI{}, fmt.Errorf("gitlab ticket: %w: the connection has no url", wire.ErrRefused)
	case token == "":
		return gitlabAPI{}, fmt.Errorf("gitlab ticket: %w: the connection has no token", wire.ErrRefused)
	case project == "":
		return gitlabAPI{}, fmt.Errorf("gitlab ticket: %w: project: it is not named", wire.ErrRefused)
	}
	return gitlabAPI{wire: w, base: server + "/api/v4", token: token, project: "/projects/" + url.PathEscape(project)}, nil
}

// call sends one request and decodes the answer. Path is below /api/v4.
func (g gitlabAPI) call(ctx context.Context, what, method, path string, in, out any) error {
	fail := func(err error) error {
		return wire.Redact(fmt.Errorf("gitlab ticket: %s: %w", what, err), g.token)
	}
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fail(err)
		}
	}
	req, err := http.NewRequestWithContext(ctx, method, g.base+path, bytes.NewReader(body))
	if err != nil {
		return fail(fmt.Errorf("%w: the url of the connection is none", wire.ErrRefused))
	}
	req.Header.Set("PRIVATE-TOKEN", g.token)
	req.Header.Set("Accept", "application/json")
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := g.wire.Do(req, g.token)
	switch {
	case err != nil:
		return fail(err)
	case resp.Truncated:
		return fail(errTooLarge)
	}
	if err := json.Unmarshal(resp.Body, out); err != nil {
		return fail(fmt.Errorf("the answer is not GitLab's: %w", err))
	}
	return nil
}

func createGitLab(ctx context.Context, w *wire.Client, conn, set config.Settings, issue Issue) (Ref, error) {
	g, err := openGitLab(w, conn, set)
	if err != nil {
		return Ref{}, err
	}
	if err := checkKey(issue.Key); err != nil {
		return Ref{}, fmt.Errorf("gitlab ticket: %w", err)
	}
	confidential := false
	if s := set["confidential"]; s != "" {
		if confidential, err = strconv.ParseBool(s); err != nil {
			return Ref{}, fmt.Errorf("gitlab ticket: %w: confidential: %q is neither true nor false", wire.ErrRefused, s)
		}
	}
	found, err := g.find(ctx, issue.Key)
	if err != nil || found.ID != "" {
		return found, err
	}
	body := map[string]any{
		"title":        title(issue.Title),
		"description":  markdown(issue.Body) + "\n\n" + marker(issue.Key),
		"labels":       strings.Join(gitlabLabels(set, issue.Labels), ","),
		"confidential": confidential,
	}
	ids, err := g.users(ctx, listed(set, "assignees"))
	if err != nil {
		return Ref{}, err
	}
	if len(ids) > 0 {
		body["assignee_ids"] = ids
	}
	var made gitlabIssue
	err = g.call(ctx, "open the issue", http.MethodPost, g.project+"/issues", body, &made)
	if err != nil {
		return Ref{}, err
	}
	if made.IID == 0 {
		return Ref{}, errors.New("gitlab ticket: open the issue: the answer names none")
	}
	return made.ref(), nil
}

func (i gitlabIssue) ref() Ref {
	return Ref{ID: strconv.FormatInt(i.IID, 10), URL: i.WebURL, Closed: i.State == "closed"}
}

// users returns the ids of users by name. Who is not there is left out: a
// ticket without an assignee is better than none.
func (g gitlabAPI) users(ctx context.Context, names []string) (ids []int64, err error) {
	for _, name := range names {
		var found []gitlabUser
		query := url.Values{"username": {name}}
		if err := g.call(ctx, "look for an assignee", http.MethodGet, "/users?"+query.Encode(), nil, &found); err != nil {
			return nil, err
		}
		for _, u := range found {
			if u.ID != 0 && strings.EqualFold(u.Username, name) {
				ids = append(ids, u.ID)
			}
		}
	}
	return ids, nil
}

// listed returns the entries of a setting that is a list, be it written as one
// or with commas.
func listed(set config.Settings, name string) (list []string) {
	for i := 0; ; i++ {
		entry, ok := set[name+"."+strconv.Itoa(i)]
		if !ok {
			break
		}
		list = append(list, entry)
	}
	for entry := range strings.SplitSeq(set[name], ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			list = append(list, entry)
		}
	}
	return list
}

// gitlabLabels joins ours, those of the settings and those of the issue.
func gitlabLabels(set config.Settings, more []string) []string {
	labels := append(append([]string{gitlabLabel}, listed(set, "labels")...), more...)
	var out []string
	for _, l := range labels {
		// A comma would make two of one; labels are no Markdown, but are shown.
		l = strings.Join(strings.Fields(strings.ReplaceAll(clean(l), ",", " ")), " ")
		if l != "" && !slices.Contains(out, l) {
			out = append(out, cut(l, maxTitle))
		}
	}
	return out
}

// find looks for the issue that carries the key among our latest; the Ref is
// empty if there is none. It reads them instead of searching: GitLab's full-text
// search does not index comments of HTML, and may lag behind.
func (g gitlabAPI) find(ctx context.Context, key string) (Ref, error) {
	for page := 1; page <= maxPages; page++ {
		query := url.Values{
			"labels": {gitlabLabel}, "state": {"all"}, "order_by": {"created_at"}, "sort": {"desc"},
			"per_page": {strconv.Itoa(perPage)}, "page": {strconv.Itoa(page)},
		}
		var found []gitlabIssue
		err := g.call(ctx, "look for the issue", http.MethodGet, g.project+"/issues?"+query.Encode(), nil, &found)
		if errors.Is(err, errTooLarge) {
			continue
		}
		if err != nil {
			return Ref{}, err
		}
		for _, i := range found {
			if i.IID != 0 && strings.Contains(i.Description, marker(key)) && slices.Contains(i.Labels, gitlabLabel) {
				return i.ref(), nil
			}
		}
		if len(found) < perPage {
			break
		}
	}
	return Ref{}, nil
}

// issuePath checks a Ref, which comes from our database, and still decides
// what is written to.
func (g gitlabAPI) issuePath(ref Ref) (string, error) {
	if n, err := strconv.ParseInt(ref.ID, 10, 64); err != nil || n < 1 {
		return "", fmt.Errorf("gitlab ticket: %w: %q is not the number of an issue", wire.ErrRefused, ref.ID)
	}
	return g.project + "/issues/" + ref.ID, nil
}

func commentGitLab(ctx context.Context, w *wire.Client, conn, set config.Settings, ref Ref, key, text string) error {
	g, err := openGitLab(w, conn, set)
	if err != nil {
		return err
	}
	if err := checkKey(key); err != nil {
		return fmt.Errorf("gitlab ticket: %w", err)
	}
	path, err := g.issuePath(ref)
	if err != nil {
		return err
	}
	there, err := g.commented(ctx, path, key)
	if err != nil || there {
		return err
	}
	var made gitlabNote
	return g.call(ctx, "comment on issue "+ref.ID, http.MethodPost, path+"/notes", map[string]any{"body": markdown(text) + "\n\n" + marker(key)}, &made)
}

// commented says whether we commented with that key before. The same marker in
// somebody else's comment does not count: it would silence us.
func (g gitlabAPI) commented(ctx context.Context, path, key string) (bool, error) {
	var self gitlabUser
	if err := g.call(ctx, "ask who we are", http.MethodGet, "/user", nil, &self); err != nil {
		return false, err
	}
	for page := 1; page <= maxPages; page++ {
		query := url.Values{"per_page": {strconv.Itoa(perPage)}, "page": {strconv.Itoa(page)}, "order_by": {"created_at"}, "sort": {"desc"}}
		var notes []gitlabNote
		err := g.call(ctx, "read the comments", http.MethodGet, path+"/notes?"+query.Encode(), nil, &notes)
		if errors.Is(err, errTooLarge) {
			continue
		}
		if err != nil {
			return false, err
		}
		for _, n := range notes {
			if !n.System && n.Author.ID == self.ID && strings.Contains(n.Body, marker(key)) {
				return true, nil
			}
		}
		if len(notes) < perPage {
			break
		}
	}
	return false, nil
}

func closeGitLab(ctx context.Context, w *wire.Client, conn, set config.Settings, ref Ref) error {
	return moveGitLab(ctx, w, conn, set, ref, "close", "closed")
}

func reopenGitLab(ctx context.Context, w *wire.Client, conn, set config.Settings, ref Ref) error {
	return moveGitLab(ctx, w, conn, set, ref, "reopen", "opened")
}

// moveGitLab asks for a state of an issue, and looks if it has it then.
func moveGitLab(ctx context.Context, w *wire.Client, conn, set config.Settings, ref Ref, event, state string) error {
	g, err := openGitLab(w, conn, set)
	if err != nil {
		return err
	}
	path, err := g.issuePath(ref)
	if err != nil {
		return err
	}
	var issue gitlabIssue
	err = g.call(ctx, event+" issue "+ref.ID, http.MethodPut, path, map[string]any{"state_event": event}, &issue)
	if err == nil && issue.State != state {
		return fmt.Errorf("gitlab ticket: %s issue %s: it is still %q", event, ref.ID, issue.State)
	}
	return err
}
