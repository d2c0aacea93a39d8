package runbook

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A deployment is what the choice of a rollback depends on.
type deployment struct {
	ID      int64
	SHA     string
	Ref     string
	Status  string // created, running, success, failed, canceled, blocked, skipped
	Job     int64  // 0: made through the API, and not to be repeated by a job
	JobEnd  bool   // the job has ended, so that it may be retried
	Started time.Time
	Landed  time.Time // when it went live, of a success
	By      string    // user name
}

func (d deployment) String() string {
	ref := ""
	if d.Ref != "" {
		ref = " (" + plainText(d.Ref) + ")"
	}
	return fmt.Sprintf("%.8s%s, deployment %d", d.SHA, ref, d.ID)
}

// A history is the deployments of one environment, in any order.
type history []deployment

// successes returns those that went live, the last one first. The order of ids
// is that of creation only: a manual job may go live long after a newer one.
func (h history) successes() []deployment {
	var out []deployment
	for _, d := range h {
		if d.Status == "success" {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b deployment) int {
		return cmp.Or(b.Landed.Compare(a.Landed), cmp.Compare(b.ID, a.ID))
	})
	return out
}

// live returns what is deployed now.
func (h history) live() (deployment, bool) {
	s := h.successes()
	if len(s) == 0 {
		return deployment{}, false
	}
	return s[0], true
}

// newest returns the highest id, whatever became of it.
func (h history) newest() int64 {
	var id int64
	for _, d := range h {
		id = max(id, d.ID)
	}
	return id
}

// marks are the versions that must never be gone back to.
type marks struct {
	shas        []string // prefixes, lower case
	deployments []int64
}

// parseMarks reads a list of commits (at least seven hexadecimal digits) and of
// deployments, written as deployment:15.
func parseMarks(list []string) (marks, error) {
	var m marks
	for i, s := range list {
		if id, ok := strings.CutPrefix(s, "deployment:"); ok {
			n, err := strconv.ParseInt(id, 10, 64)
			if err != nil || n < 1 {
				return marks{}, fmt.Errorf("[%d]: %q is not a deployment's number", i, s)
			}
			m.deployments = append(m.deployments, n)
			continue
		}
		s = strings.ToLower(s)
		if len(s) < 7 || strings.Trim(s, "0123456789abcdef") != "" {
			return marks{}, fmt.Errorf("[%d]: %q is neither a commit of at least 7 hexadecimal digits nor deployment:NUMBER", i, s)
		}
		m.shas = append(m.shas, s)
	}
	return m, nil
}

func (m marks) has(d deployment) bool {
	return slices.Contains(m.deployments, d.ID) ||
		slices.ContainsFunc(m.shas, func(p string) bool { return strings.HasPrefix(strings.ToLower(d.SHA), p) })
}

// A choice is what a rollback goes from and to.
type choice struct {
	bad, good deployment
	since     time.Time // when the bad version went live
	job       int64     // the job to be retried: GitLab retries the latest of its kind only
}

// choose finds the bad version and the last good one before it. Bad is what had
// gone live last when the signal fired; or what is live now, if that is marked
// bad. Its error says why there is nothing to roll back, or why a human must say.
func (h history) choose(fired time.Time, never marks) (choice, error) {
	all := h.successes()
	if len(all) == 0 {
		return choice{}, errors.New("nothing was ever deployed there")
	}
	live, marked := all[0], never.has(all[0])
	at := 0
	if !marked {
		at = slices.IndexFunc(all, func(d deployment) bool { return !d.Landed.After(fired) })
	}
	if at < 0 {
		return choice{}, fmt.Errorf("nothing was deployed before %s, when the signal fired", clock(fired))
	}
	bad := all[at]
	switch {
	case live.SHA != bad.SHA && seen(all[at+1:], live.SHA):
		return choice{}, fmt.Errorf("it was rolled back already: %v by %s is live since %s", live, plainText(live.By), clock(live.Landed))
	case live.SHA != bad.SHA && !live.Started.After(fired):
		return choice{}, fmt.Errorf("%v was being deployed when the signal fired at %s: a human must say which is bad, it or %v", live, clock(fired), bad)
	case live.SHA != bad.SHA:
		return choice{}, fmt.Errorf("the signal fired on %v, and since %s %v by %s is live", bad, clock(live.Landed), live, plainText(live.By))
	}
	first := at // of the stretch in which the bad version was live
	for first+1 < len(all) && all[first+1].SHA == bad.SHA {
		first++
	}
	if !marked && seen(all[first+1:], bad.SHA) {
		return choice{}, fmt.Errorf("%v is itself a rollback, of what was live before it: a human must say which is bad", all[first])
	}

	for i := first + 1; i < len(all); i++ {
		d := all[i]
		if d.Job == 0 || d.ID >= bad.ID || d.SHA == bad.SHA || never.has(d) || leftBehind(all, i) {
			continue
		}
		job := h.jobOf(d.SHA)
		if job == 0 {
			continue
		}
		return choice{bad: bad, good: d, since: all[first].Landed, job: job}, nil
	}
	return choice{}, fmt.Errorf("there is no good version before %v among the last %d deployments: each was made without a job, is marked bad, or was rolled back from", bad, len(h))
}

func seen(in []deployment, sha string) bool {
	return slices.ContainsFunc(in, func(d deployment) bool { return d.SHA == sha })
}

// leftBehind says that somebody rolled back from all[i]: after it, a version
// went live that had been live before it. The list begins with the newest.
func leftBehind(all []deployment, i int) bool {
	for _, later := range all[:i] {
		if later.SHA != all[i].SHA && seen(all[i+1:], later.SHA) {
			return true
		}
	}
	return false
}

// jobOf returns the latest job that deployed a version and has ended.
func (h history) jobOf(sha string) int64 {
	var job int64
	for _, d := range h {
		if d.SHA == sha && d.JobEnd {
			job = max(job, d.Job)
		}
	}
	return job
}

// underway finds a deployment of the version that runs, or was created after
// the plan: somebody else presses the same button.
func (h history) underway(sha string, after int64) (deployment, bool) {
	for _, d := range h {
		if d.SHA == sha && (d.Status == "running" || d.Status == "created" && d.ID > after) {
			return d, true
		}
	}
	return deployment{}, false
}

// foreign finds a deployment of another version that runs now.
func (h history) foreign(sha string) (deployment, bool) {
	for _, d := range h {
		if d.SHA != sha && d.Status == "running" {
			return d, true
		}
	}
	return deployment{}, false
}

// made finds the deployment of a job; the newest of the version that is newer
// than the plan if the job is not known.
func (h history) made(job int64, sha string, after int64) (deployment, bool) {
	var found deployment
	for _, d := range h {
		if job != 0 && d.Job == job || job == 0 && d.SHA == sha && d.ID > after {
			if d.ID > found.ID {
				found = d
			}
		}
	}
	return found, found.ID != 0
}

func (h history) byID(id int64) (deployment, bool) {
	for _, d := range h {
		if d.ID == id {
			return d, true
		}
	}
	return deployment{}, false
}
