package vendortest

import (
	"cmp"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

type gitlabIssue struct {
	id, iid                  int64
	title, description       string
	state                    string // opened, closed
	labels                   []string
	assignees                []string
	author                   string
	created, updated, closed time.Time
	confidential             bool
	notes                    []*gitlabNote
}

type gitlabNote struct {
	id      int64
	body    string
	author  string
	created time.Time
	system  bool
}

// A GitLabIssue is an issue as it stands, for tests to look at.
type GitLabIssue struct {
	IID                int64
	Title, Description string
	State              string // opened, closed
	Labels             []string
	Assignees          []string
	Notes              []string // oldest first, without those of the system
}

// Issues returns the issues of a project, oldest first.
func (g *GitLab) Issues(project int64) []GitLabIssue {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []GitLabIssue
	for _, i := range g.mustProject(project).issues {
		is := GitLabIssue{IID: i.iid, Title: i.title, Description: i.description, State: i.state, Labels: slices.Clone(i.labels), Assignees: slices.Clone(i.assignees)}
		for _, n := range i.notes {
			if !n.system {
				is.Notes = append(is.Notes, n.body)
			}
		}
		out = append(out, is)
	}
	return out
}

// AddIssue and AddNote put in what other people wrote.
func (g *GitLab) AddIssue(project int64, author, title, description string, labels ...string) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	p := g.mustProject(project)
	i := &gitlabIssue{id: g.id(), iid: p.iid("issue"), title: title, description: description, state: "opened",
		labels: labels, author: author, created: g.now(), updated: g.now()}
	p.issues = append(p.issues, i)
	return i.iid
}

// AddNote adds a comment by somebody else; see AddIssue.
func (g *GitLab) AddNote(project, iid int64, author, body string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, i := range g.mustProject(project).issues {
		if i.iid == iid {
			i.notes = append(i.notes, &gitlabNote{id: g.id(), body: body, author: author, created: g.now()})
		}
	}
}

// Mentions returns the names of all who were notified because a title, a
// description or a comment mentions them.
func (g *GitLab) Mentions() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.mentions)
}

func (p *gitlabProject) issueJSON(i *gitlabIssue) map[string]any {
	return map[string]any{
		"id": i.id, "iid": i.iid, "project_id": p.id, "title": i.title, "description": i.description, "state": i.state,
		"labels": append([]string{}, i.labels...), "assignees": usersJSON(i.assignees), "author": userJSON(i.author), "confidential": i.confidential,
		"created_at": stamp(i.created), "updated_at": stamp(i.updated), "closed_at": stamp(i.closed),
		"web_url": p.url + "/-/issues/" + strconv.FormatInt(i.iid, 10), "user_notes_count": len(i.notes), "issue_type": "issue",
	}
}

func usersJSON(names []string) []map[string]any {
	out := []map[string]any{}
	for _, name := range names {
		out = append(out, userJSON(name))
	}
	return out
}

// issues routes what is below projects/:id/issues.
func (g *GitLab) issues(p *gitlabProject, req gitlabRequest, rest []string) *gitlabAnswer {
	if len(rest) == 0 {
		switch req.Method {
		case http.MethodGet:
			return g.listIssues(p, req)
		case http.MethodPost:
			return g.createIssue(p, req)
		}
		return problem(405, "405 Not Allowed")
	}
	var issue *gitlabIssue
	for _, i := range p.issues {
		if strconv.FormatInt(i.iid, 10) == rest[0] {
			issue = i
		}
	}
	switch {
	case issue == nil:
		return message(404, "404 Issue Not Found")
	case len(rest) == 1 && req.Method == http.MethodGet:
		return &gitlabAnswer{status: 200, body: p.issueJSON(issue)}
	case len(rest) == 1 && req.Method == http.MethodPut:
		return g.updateIssue(p, req, issue)
	case len(rest) == 2 && rest[1] == "notes" && req.Method == http.MethodGet:
		return g.listNotes(req, issue)
	case len(rest) == 2 && rest[1] == "notes" && req.Method == http.MethodPost:
		return g.createNote(req, issue)
	}
	return problem(404, "404 Not Found")
}

func (g *GitLab) listIssues(p *gitlabProject, req gitlabRequest) *gitlabAnswer {
	state := cmp.Or(req.form.Get("state"), "all")
	orderBy := cmp.Or(req.form.Get("order_by"), "created_at")
	sort := cmp.Or(req.form.Get("sort"), "desc")
	switch {
	case state != "all" && state != "opened" && state != "closed":
		return problem(400, "state does not have a valid value")
	case orderBy != "created_at" && orderBy != "updated_at" && orderBy != "title":
		return problem(400, "order_by does not have a valid value")
	case sort != "asc" && sort != "desc":
		return problem(400, "sort does not have a valid value")
	}
	in := cmp.Or(req.form.Get("in"), "title,description")
	search := strings.ToLower(req.form.Get("search"))
	found := []*gitlabIssue{}
	for _, i := range p.issues {
		if state != "all" && i.state != state {
			continue
		}
		if iids := req.form["iids[]"]; len(iids) > 0 && !slices.Contains(iids, strconv.FormatInt(i.iid, 10)) {
			continue
		}
		if !containsAll(i.labels, labelList(req.form.Get("labels"))) {
			continue
		}
		if search != "" && !(strings.Contains(in, "title") && strings.Contains(strings.ToLower(i.title), search)) &&
			!(strings.Contains(in, "description") && strings.Contains(strings.ToLower(i.description), search)) {
			continue
		}
		found = append(found, i)
	}
	slices.SortStableFunc(found, func(a, b *gitlabIssue) int {
		c := cmp.Or(a.created.Compare(b.created), cmp.Compare(a.iid, b.iid))
		switch orderBy {
		case "updated_at":
			c = cmp.Or(a.updated.Compare(b.updated), cmp.Compare(a.iid, b.iid))
		case "title":
			c = cmp.Or(cmp.Compare(a.title, b.title), cmp.Compare(a.iid, b.iid))
		}
		if sort == "desc" {
			return -c
		}
		return c
	})
	some, h, bad := page(req, found)
	if bad != nil {
		return bad
	}
	out := []map[string]any{}
	for _, i := range some {
		out = append(out, p.issueJSON(i))
	}
	return &gitlabAnswer{status: 200, body: out, header: h}
}

func labelList(s string) []string {
	var out []string
	for l := range strings.SplitSeq(s, ",") {
		if l = strings.TrimSpace(l); l != "" && !slices.Contains(out, l) {
			out = append(out, l)
		}
	}
	return out
}

func containsAll(have, want []string) bool {
	for _, w := range want {
		if !slices.Contains(have, w) {
			return false
		}
	}
	return true
}

// checkTitle answers what GitLab's validation does.
func checkTitle(title string) *gitlabAnswer {
	invalid := func(why string) *gitlabAnswer {
		return &gitlabAnswer{status: 400, body: map[string]any{"message": map[string]any{"title": []string{why}}}}
	}
	switch {
	case strings.TrimSpace(title) == "":
		return invalid("can't be blank")
	case utf8.RuneCountInString(title) > 255:
		return invalid("is too long (maximum is 255 characters)")
	}
	return nil
}

func (g *GitLab) createIssue(p *gitlabProject, req gitlabRequest) *gitlabAnswer {
	if !req.form.Has("title") {
		return problem(400, "title is missing")
	}
	title := req.form.Get("title")
	if bad := checkTitle(title); bad != nil {
		return bad
	}
	now := g.now()
	i := &gitlabIssue{id: g.id(), iid: p.iid("issue"), title: title, state: "opened", author: req.token.User,
		created: now, updated: now, confidential: truthy(req.form.Get("confidential"))}
	if req.token.Level >= 20 { // a guest's labels are ignored
		i.labels = labelList(req.form.Get("labels"))
	}
	i.assignees = g.named(req.form.Get("assignee_ids"))
	i.description, _ = g.quickActions(i, req.form.Get("description"))
	p.issues = append(p.issues, i)
	g.mention(title)
	g.mention(i.description)
	return &gitlabAnswer{status: 201, body: p.issueJSON(i)}
}

// named returns the users of ids; those that nobody has are passed over.
func (g *GitLab) named(ids string) (names []string) {
	for id := range strings.SplitSeq(ids, ",") {
		for _, name := range g.known() {
			if fmt.Sprint(userJSON(name)["id"]) == id {
				names = append(names, name)
			}
		}
	}
	return names
}

func (g *GitLab) updateIssue(p *gitlabProject, req gitlabRequest, i *gitlabIssue) *gitlabAnswer {
	if req.token.Level < 20 {
		return message(403, "403 Forbidden")
	}
	if req.form.Has("title") {
		if bad := checkTitle(req.form.Get("title")); bad != nil {
			return bad
		}
		i.title = req.form.Get("title")
		g.mention(i.title)
	}
	if req.form.Has("description") {
		i.description, _ = g.quickActions(i, req.form.Get("description"))
		g.mention(i.description)
	}
	if req.form.Has("labels") {
		i.labels = labelList(req.form.Get("labels"))
	}
	i.labels = labelList(strings.Join(append(slices.Clone(i.labels), req.form.Get("add_labels")), ","))
	for _, l := range labelList(req.form.Get("remove_labels")) {
		i.labels = slices.DeleteFunc(i.labels, func(have string) bool { return have == l })
	}
	switch req.form.Get("state_event") {
	case "":
	case "close":
		g.setState(i, "closed")
	case "reopen":
		g.setState(i, "opened")
	default:
		return problem(400, "state_event does not have a valid value")
	}
	i.updated = g.now()
	return &gitlabAnswer{status: 200, body: p.issueJSON(i)}
}

func (g *GitLab) setState(i *gitlabIssue, state string) {
	if i.state == state {
		return
	}
	i.state, i.closed = state, time.Time{}
	if state == "closed" {
		i.closed = g.now()
	}
	i.notes = append(i.notes, &gitlabNote{id: g.id(), body: state, created: g.now(), system: true})
}

func noteJSON(n *gitlabNote) map[string]any {
	return map[string]any{"id": n.id, "body": n.body, "author": userJSON(n.author), "system": n.system,
		"created_at": stamp(n.created), "updated_at": stamp(n.created), "noteable_type": "Issue"}
}

// listNotes answers the newest first, unless asked otherwise.
func (g *GitLab) listNotes(req gitlabRequest, i *gitlabIssue) *gitlabAnswer {
	notes := slices.Clone(i.notes)
	if cmp.Or(req.form.Get("sort"), "desc") == "desc" {
		slices.Reverse(notes)
	}
	some, h, bad := page(req, notes)
	if bad != nil {
		return bad
	}
	out := []map[string]any{}
	for _, n := range some {
		out = append(out, noteJSON(n))
	}
	return &gitlabAnswer{status: 200, body: out, header: h}
}

// createNote adds a comment. One that holds nothing but quick actions is no
// comment: 202 tells what they changed.
func (g *GitLab) createNote(req gitlabRequest, i *gitlabIssue) *gitlabAnswer {
	if strings.TrimSpace(req.form.Get("body")) == "" {
		return problem(400, "body is missing")
	}
	body, obeyed := g.quickActions(i, req.form.Get("body"))
	if strings.TrimSpace(body) == "" {
		return &gitlabAnswer{status: 202, body: map[string]any{"commands_changes": map[string]any{}, "summary": obeyed}}
	}
	n := &gitlabNote{id: g.id(), body: body, author: req.token.User, created: g.now()}
	i.notes = append(i.notes, n)
	i.updated = n.created
	g.mention(body)
	return &gitlabAnswer{status: 201, body: noteJSON(n)}
}

var quickAction = regexp.MustCompile(`^\s*/([a-z_]+)(?:\s+(.*))?$`)

// quickActions obeys the lines that begin with a slash and a command, outside
// code, and takes them out of the text.
func (g *GitLab) quickActions(i *gitlabIssue, text string) (string, []string) {
	var kept, obeyed []string
	code := false
	for line := range strings.SplitSeq(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
		}
		m := quickAction.FindStringSubmatch(line)
		if code || m == nil || !g.obey(i, m[1], m[2]) {
			kept = append(kept, line)
			continue
		}
		obeyed = append(obeyed, m[1])
	}
	return strings.Join(kept, "\n"), obeyed
}

// obey does one quick action; false for a word that is none.
func (g *GitLab) obey(i *gitlabIssue, action, arg string) bool {
	switch action {
	case "close":
		g.setState(i, "closed")
	case "reopen":
		g.setState(i, "opened")
	case "title":
		i.title = arg
	case "label":
		i.labels = append(i.labels, strings.Trim(strings.TrimPrefix(arg, "~"), `"`))
	case "confidential":
		i.confidential = true
	case "cc", "assign", "due", "spend", "estimate", "lock", "move", "duplicate", "subscribe", "todo", "done", "unlabel", "relabel", "promote", "shrug":
	default:
		return false
	}
	return true
}

var mention = regexp.MustCompile(`(?:^|[^0-9A-Za-z_])@([0-9A-Za-z_][0-9A-Za-z_.-]*)`)

// mention notifies who is mentioned, outside code. A backslash before the @
// does not help: older versions of GitLab look at the text once it is gone.
func (g *GitLab) mention(text string) {
	code := false
	for line := range strings.SplitSeq(text, "\n") {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			code = !code
		}
		if code {
			continue
		}
		for _, m := range mention.FindAllStringSubmatch(line, -1) {
			g.mentions = append(g.mentions, m[1])
		}
	}
}
