package vendortest

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// A GitLabFault is what happens to a request in place of an answer.
type GitLabFault struct {
	Status      int
	Header      map[string]string
	ContentType string
	Body        string
	Hang        bool // never answer
	Half        bool // end the connection in the middle of the body
	// After does what was asked first: the caller cannot know.
	After bool
}

func (f GitLabFault) name() string {
	switch {
	case f.Hang && f.After:
		return "done, then hang"
	case f.Hang:
		return "hang"
	case f.Half && f.After:
		return "done, then half an answer"
	case f.Half:
		return "half an answer"
	}
	return strconv.Itoa(f.Status)
}

// GitLabTooMany is a rate limit: 429 with Retry-After and RateLimit headers.
func GitLabTooMany(after time.Duration) GitLabFault {
	seconds := strconv.Itoa(int(after / time.Second))
	return GitLabFault{
		Status: 429, ContentType: "text/plain", Body: "Retry later\n",
		Header: map[string]string{"Retry-After": seconds, "RateLimit-Limit": "60", "RateLimit-Observed": "61", "RateLimit-Remaining": "0"},
	}
}

// GitLabForbidden is a plain 403.
func GitLabForbidden() GitLabFault {
	return GitLabFault{Status: 403, ContentType: "application/json", Body: `{"message":"403 Forbidden"}`}
}

// GitLabBroken is GitLab's own 500.
func GitLabBroken() GitLabFault {
	return GitLabFault{Status: 500, ContentType: "application/json", Body: `{"message":"500 Internal Server Error"}`}
}

// GitLabBadGateway is what a proxy in front of GitLab says: 502, in HTML.
func GitLabBadGateway() GitLabFault {
	return GitLabFault{
		Status: 502, ContentType: "text/html; charset=UTF-8", Header: map[string]string{"Server": "cloudflare"},
		Body: "<!DOCTYPE html>\n<html><head><title>502: Bad gateway</title></head><body><h1>Bad gateway</h1><p>Error code 502</p></body></html>\n",
	}
}

// GitLabGarbage is a 200 that is no JSON, as a login page of a proxy is.
func GitLabGarbage() GitLabFault {
	return GitLabFault{Status: 200, ContentType: "text/html", Body: "<html><body>Please sign in</body></html>"}
}

// GitLabHang never answers.
func GitLabHang() GitLabFault { return GitLabFault{Hang: true} }

// GitLabHalf ends the connection in the middle of the answer.
func GitLabHalf() GitLabFault {
	return GitLabFault{Status: 200, ContentType: "application/json", Body: `[{"id": 1, "iid"`, Half: true}
}

// GitLabLost does what was asked and ends the connection without a word.
func GitLabLost() GitLabFault { return GitLabFault{Half: true, After: true} }

// pendingFault waits for the requests that it is meant for.
type pendingFault struct {
	match string
	left  int // negative: for ever
	GitLabFault
}

// Fail lets the next n requests fail whose method and escaped path, such as
// "POST /api/v4/projects/1/jobs/7/retry", contain match; n < 0 is all of them,
// and n = 0 takes back every fault for that match.
func (g *GitLab) Fail(match string, n int, f GitLabFault) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if n == 0 {
		kept := g.faults[:0]
		for _, p := range g.faults {
			if p.match != match {
				kept = append(kept, p)
			}
		}
		g.faults = kept
		return
	}
	g.faults = append(g.faults, &pendingFault{match, n, f})
}

// fault takes the first fault that is meant for a request.
func (g *GitLab) fault(request string) *GitLabFault {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, p := range g.faults {
		if p.left != 0 && strings.Contains(request, p.match) {
			p.left = max(p.left-1, -1)
			f := p.GitLabFault
			return &f
		}
	}
	return nil
}

func (g *GitLab) serveFault(w http.ResponseWriter, r *http.Request, f GitLabFault) {
	if f.Hang {
		select {
		case <-r.Context().Done():
		case <-g.closed:
		}
		panic(http.ErrAbortHandler)
	}
	if f.Half && f.Status == 0 { // not even a status
		panic(http.ErrAbortHandler)
	}
	for k, v := range f.Header {
		w.Header().Set(k, v)
	}
	w.Header().Set("Content-Type", f.ContentType)
	if f.Half {
		w.Header().Set("Content-Length", strconv.Itoa(2*len(f.Body)))
	}
	w.WriteHeader(f.Status)
	io.WriteString(w, f.Body)
	if f.Half {
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
}

// rateLimit is GitLab's: so many requests in each period.
type rateLimit struct {
	most  int
	per   time.Duration
	from  time.Time
	count int
}

// Limit allows so many requests in each period, and answers 429 beyond it; no
// limit if most is zero.
func (g *GitLab) Limit(most int, per time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.limit = rateLimit{most: most, per: per, from: g.now()}
}

// limited counts a request and refuses it where it is one too many.
func (g *GitLab) limited() *gitlabAnswer {
	l := &g.limit
	if l.most == 0 {
		return nil
	}
	now := g.now()
	if now.Sub(l.from) >= l.per {
		l.from, l.count = now, 0
	}
	l.count++
	if l.count <= l.most {
		return nil
	}
	reset := l.from.Add(l.per)
	wait := int((reset.Sub(now) + time.Second - 1) / time.Second)
	h := http.Header{}
	for k, v := range map[string]string{
		"Retry-After": fmt.Sprint(wait), "Ratelimit-Limit": fmt.Sprint(l.most), "Ratelimit-Observed": fmt.Sprint(l.count),
		"Ratelimit-Remaining": "0", "Ratelimit-Reset": fmt.Sprint(reset.Unix()),
	} {
		h.Set(k, v)
	}
	return &gitlabAnswer{status: 429, body: "Retry later\n", header: h}
}
