package vendortest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// GitLab stands in for a GitLab server: that part of its REST API, version 4,
// which Muster calls (https://docs.gitlab.com/api/rest/). It keeps projects,
// environments, deployments, jobs and issues in memory, lets jobs run on timers,
// and does what is asked of it even where that is unwise, as GitLab does: it
// obeys quick actions, notifies who is mentioned, and deploys old versions.
//
// What it does not know: users' permissions beyond one level per token, groups,
// protected branches, artifacts, merge requests, webhooks.
type GitLab struct {
	now func() time.Time

	mu       sync.Mutex
	last     int64 // id given last; ids are unique across kinds, so that a wrong one is found out
	tokens   map[string]GitLabToken
	users    []string // names of those who have no token
	projects []*gitlabProject
	faults   []*pendingFault
	log      []GitLabRequest
	mentions []string
	delay    time.Duration
	deploy   func(environment, sha, ref string) error
	limit    rateLimit
	timers   map[*time.Timer]bool
	closed   chan struct{}
	closing  sync.Once
}

// A GitLabRequest is one request as the server saw it. Tokens are not kept.
type GitLabRequest struct {
	At     time.Time
	Method string
	Path   string // escaped, as it came
	Query  string
	Body   string
	User   string // whose token it was; "" if it was refused
	Status int    // 0 if no answer was given
	Fault  string // the fault that was asked for; "" if none
}

// A GitLabToken is a way to authenticate.
type GitLabToken struct {
	User    string // user name
	Scope   string // "api", or "read_api", which may not change anything
	Level   int    // 10 guest, 20 reporter, 30 developer, 40 maintainer
	Expired bool
}

// NewGitLab returns a server without tokens and projects. Jobs take a second.
func NewGitLab(now func() time.Time) *GitLab {
	return &GitLab{
		now:    now,
		tokens: map[string]GitLabToken{},
		delay:  time.Second,
		deploy: func(string, string, string) error { return nil },
		timers: map[*time.Timer]bool{},
		closed: make(chan struct{}),
	}
}

// AddToken makes a token valid; an empty scope is "api", a zero level 40.
func (g *GitLab) AddToken(token string, t GitLabToken) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if t.Scope == "" {
		t.Scope = "api"
	}
	if t.Level == 0 {
		t.Level = 40
	}
	if t.User == "" {
		t.User = "muster-bot"
	}
	g.tokens[token] = t
}

// AddUser makes somebody known who has no token.
func (g *GitLab) AddUser(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.users = append(g.users, name)
}

// SetDelay says how long a job takes from its creation to its end.
func (g *GitLab) SetDelay(d time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.delay = d
}

// SetDeploy says what a deploy job does; its error makes the job fail. It is
// called from a timer's goroutine and holds nothing up but its own job.
func (g *GitLab) SetDeploy(deploy func(environment, sha, ref string) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deploy = deploy
}

// Log returns what happened so far, in order: "POST projects/1/jobs/7/retry"
// with "201" or the name of a fault.
func (g *GitLab) Log() []Entry {
	var out []Entry
	for _, r := range g.Requests() {
		note := r.Fault
		if note == "" {
			note = strconv.Itoa(r.Status)
		}
		out = append(out, Entry{At: r.At, What: r.Method + " " + strings.TrimPrefix(r.Path, "/api/v4/"), Note: note})
	}
	return out
}

// Requests returns all requests so far, whole, in the order in which they were
// answered.
func (g *GitLab) Requests() []GitLabRequest {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]GitLabRequest(nil), g.log...)
}

// Close ends hanging requests and stops all jobs where they are.
func (g *GitLab) Close() {
	g.closing.Do(func() { close(g.closed) })
	g.mu.Lock()
	defer g.mu.Unlock()
	for t := range g.timers {
		t.Stop()
	}
	clear(g.timers)
}

// after runs f later, unless the server is closed by then.
func (g *GitLab) after(d time.Duration, f func()) {
	var t *time.Timer
	t = time.AfterFunc(d, func() {
		g.mu.Lock()
		live := g.timers[t]
		delete(g.timers, t)
		g.mu.Unlock()
		if live {
			f()
		}
	})
	g.timers[t] = true
}

func (g *GitLab) id() int64 {
	g.last++
	return g.last
}

// A gitlabRequest is one call, decoded.
type gitlabRequest struct {
	*http.Request
	parts []string // of the path after /api/v4, unescaped
	form  url.Values
	token GitLabToken
}

// A gitlabAnswer is what the server says; body is JSON unless it is a string.
type gitlabAnswer struct {
	status int
	body   any
	header http.Header
}

// ServeHTTP answers a request as GitLab would.
func (g *GitLab) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(http.MaxBytesReader(w, r.Body, 4<<20))
	entry := GitLabRequest{Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Body: string(raw)}
	fault := g.fault(r.Method + " " + entry.Path)
	if fault != nil {
		entry.Fault = fault.name()
		if !fault.After {
			entry.Status = fault.Status
			g.record(entry)
			g.serveFault(w, r, *fault)
			return
		}
	}

	req, answer := g.open(r, raw)
	if answer == nil {
		entry.User = req.token.User
		g.mu.Lock()
		if answer = g.limited(); answer == nil {
			answer = g.route(req)
		}
		g.mu.Unlock()
	}
	if fault != nil { // the work is done, and nobody hears of it
		g.record(entry)
		g.serveFault(w, r, *fault)
		return
	}
	entry.Status = answer.status
	g.record(entry)
	writeAnswer(w, *answer)
}

// record is called before the answer goes out, so that who has it finds it in the log.
func (g *GitLab) record(e GitLabRequest) {
	g.mu.Lock()
	defer g.mu.Unlock()
	e.At = g.now()
	g.log = append(g.log, e)
}

func writeAnswer(w http.ResponseWriter, a gitlabAnswer) {
	h := w.Header()
	for k, v := range a.header {
		h[k] = v
	}
	if text, ok := a.body.(string); ok {
		if h.Get("Content-Type") == "" {
			h.Set("Content-Type", "text/plain")
		}
		w.WriteHeader(a.status)
		io.WriteString(w, text)
		return
	}
	var out bytes.Buffer
	json.NewEncoder(&out).Encode(a.body)
	h.Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	w.Write(out.Bytes())
}

func message(status int, text string) *gitlabAnswer {
	return &gitlabAnswer{status: status, body: map[string]any{"message": text}}
}

func problem(status int, text string) *gitlabAnswer {
	return &gitlabAnswer{status: status, body: map[string]any{"error": text}}
}

// open decodes and authenticates a request.
func (g *GitLab) open(r *http.Request, raw []byte) (gitlabRequest, *gitlabAnswer) {
	req := gitlabRequest{Request: r, form: r.URL.Query()}
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/api/v4/")
	if !ok {
		return req, problem(404, "404 Not Found")
	}
	for p := range strings.SplitSeq(path, "/") {
		part, err := url.PathUnescape(p)
		if err != nil {
			return req, problem(400, "invalid path")
		}
		req.parts = append(req.parts, part)
	}
	if answer := req.readBody(raw); answer != nil {
		return req, answer
	}
	if len(req.parts) >= 4 && req.parts[2] == "trigger" { // has a token of its own
		return req, nil
	}

	secret := r.Header.Get("PRIVATE-TOKEN")
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok && secret == "" {
		secret = bearer
	}
	if secret == "" {
		secret = r.URL.Query().Get("private_token")
	}
	g.mu.Lock()
	token, known := g.tokens[secret]
	g.mu.Unlock()
	switch {
	case !known:
		return req, message(401, "401 Unauthorized")
	case token.Expired:
		return req, &gitlabAnswer{status: 401, body: map[string]any{
			"error": "invalid_token", "error_description": "Token is expired. You can either do re-authorization or token refresh.",
		}}
	case token.Scope != "api" && r.Method != http.MethodGet && r.Method != http.MethodHead:
		return req, &gitlabAnswer{status: 403, body: map[string]any{
			"error":             "insufficient_scope",
			"error_description": "The request requires higher privileges than provided by the access token.",
			"scope":             "api",
		}}
	}
	req.token = token
	return req, nil
}

// readBody adds a JSON or form body to the parameters, as Grape does.
func (req *gitlabRequest) readBody(raw []byte) *gitlabAnswer {
	if len(bytes.TrimSpace(raw)) == 0 {
		return nil
	}
	kind, _, _ := strings.Cut(req.Header.Get("Content-Type"), ";")
	switch strings.TrimSpace(kind) {
	case "application/json":
		var in map[string]any
		d := json.NewDecoder(bytes.NewReader(raw))
		d.UseNumber()
		if err := d.Decode(&in); err != nil {
			return problem(400, "Problems parsing JSON")
		}
		for k, v := range in {
			flatten(req.form, k, v)
		}
	case "application/x-www-form-urlencoded":
		in, err := url.ParseQuery(string(raw))
		if err != nil {
			return problem(400, "invalid form")
		}
		for k, v := range in {
			req.form[k] = v
		}
	default:
		return problem(415, "The provided content-type '"+kind+"' is not supported.")
	}
	return nil
}

func flatten(form url.Values, name string, v any) {
	switch v := v.(type) {
	case nil:
	case []any:
		var all []string
		for _, e := range v {
			all = append(all, fmt.Sprint(e))
		}
		form.Set(name, strings.Join(all, ","))
	case map[string]any:
		for k, e := range v {
			flatten(form, name+"["+k+"]", e)
		}
	default:
		form.Set(name, fmt.Sprint(v))
	}
}

// route finds what answers. It holds the lock.
func (g *GitLab) route(req gitlabRequest) *gitlabAnswer {
	switch {
	case len(req.parts) == 1 && req.parts[0] == "version" && req.Method == http.MethodGet:
		return &gitlabAnswer{status: 200, body: map[string]any{"version": "18.5.0", "revision": "00000000000"}}
	case len(req.parts) == 1 && req.parts[0] == "user" && req.Method == http.MethodGet:
		return &gitlabAnswer{status: 200, body: userJSON(req.token.User)}
	case len(req.parts) == 1 && req.parts[0] == "users" && req.Method == http.MethodGet:
		return g.findUsers(req.form.Get("username"))
	case len(req.parts) < 2 || req.parts[0] != "projects":
		return problem(404, "404 Not Found")
	}
	p := g.project(req.parts[1])
	if p == nil {
		return message(404, "404 Project Not Found")
	}
	rest := req.parts[2:]
	at := func(i int) string {
		if i < len(rest) {
			return rest[i]
		}
		return ""
	}
	key := req.Method + " " + at(0)
	switch {
	case len(rest) == 0 && req.Method == http.MethodGet:
		return &gitlabAnswer{status: 200, body: p.json()}
	case key == "GET environments":
		return g.getEnvironments(p, req, rest[1:])
	case key == "GET deployments":
		return g.getDeployments(p, req, rest[1:])
	case key == "GET jobs" && len(rest) == 2:
		return g.getJob(p, rest[1])
	case key == "POST jobs" && len(rest) == 3 && at(2) == "retry":
		return g.retryJob(p, req, rest[1])
	case key == "POST jobs" && len(rest) == 3 && at(2) == "play":
		return g.playJob(p, req, rest[1])
	case key == "POST trigger" && at(1) == "pipeline":
		return g.triggerPipeline(p, req)
	case at(0) == "issues":
		return g.issues(p, req, rest[1:])
	}
	return problem(404, "404 Not Found")
}

// project finds one by its number or its path.
func (g *GitLab) project(id string) *gitlabProject {
	n, err := strconv.ParseInt(id, 10, 64)
	for _, p := range g.projects {
		if err == nil && p.id == n || err != nil && strings.EqualFold(p.path, id) {
			return p
		}
	}
	return nil
}

// page cuts a list as page and per_page ask, and says where the rest is.
func page[T any](req gitlabRequest, all []T) ([]T, http.Header, *gitlabAnswer) {
	number := func(name string, def, most int) (int, bool) {
		s := req.form.Get(name)
		if s == "" {
			return def, true
		}
		n, err := strconv.Atoi(s)
		return min(n, most), err == nil && n >= 1
	}
	n, ok := number("page", 1, 1<<20)
	if !ok {
		return nil, nil, problem(400, "page does not have a valid value")
	}
	per, ok := number("per_page", 20, 100)
	if !ok {
		return nil, nil, problem(400, "per_page does not have a valid value")
	}
	pages := max(1, (len(all)+per-1)/per)
	from, to := min((n-1)*per, len(all)), min(n*per, len(all))

	h := http.Header{}
	set := func(name string, v int, ok bool) {
		text := ""
		if ok {
			text = strconv.Itoa(v)
		}
		h.Set(name, text)
	}
	set("X-Page", n, true)
	set("X-Per-Page", per, true)
	set("X-Total", len(all), true)
	set("X-Total-Pages", pages, true)
	set("X-Next-Page", n+1, n < pages)
	set("X-Prev-Page", n-1, n > 1)
	link := func(n int, rel string) string {
		u := *req.URL
		u.Scheme, u.Host = "http", req.Host
		q := u.Query()
		q.Set("page", strconv.Itoa(n))
		q.Set("per_page", strconv.Itoa(per))
		u.RawQuery = q.Encode()
		return fmt.Sprintf("<%s>; rel=%q", u.String(), rel)
	}
	var links []string
	if n > 1 {
		links = append(links, link(n-1, "prev"))
	}
	if n < pages {
		links = append(links, link(n+1, "next"))
	}
	h.Set("Link", strings.Join(append(links, link(1, "first"), link(pages, "last")), ", "))
	return all[from:to], h, nil
}

// stamp writes an instant as GitLab does, or null.
func stamp(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

// findUsers answers who has a name, in whatever case. Without one the real
// server lists all users; nobody here needs that.
func (g *GitLab) findUsers(name string) *gitlabAnswer {
	found := []map[string]any{}
	for _, known := range g.known() {
		if strings.EqualFold(known, name) {
			found = append(found, userJSON(known))
		}
	}
	return &gitlabAnswer{status: 200, body: found}
}

func (g *GitLab) known() []string {
	all := slices.Clone(g.users)
	for _, t := range g.tokens {
		all = append(all, t.User)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func userJSON(name string) map[string]any {
	id := int64(1000)
	for _, c := range name {
		id = id*31%100003 + int64(c)
	}
	return map[string]any{"id": id, "username": name, "name": name, "state": "active"}
}
