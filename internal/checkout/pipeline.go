package checkout

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"strings"
)

// A Build says what is being built, as far as it is known.
type Build struct {
	Commit   string
	Branch   string // "" for none, or where it is not known
	Default  bool   // Branch is the default branch
	Pipeline string // address, or number
	Project  string // address, or path
	Job      string // name of the job, the same in each pipeline
}

// Build asks the variables of the CI system first, since a pipeline's checkout is
// on no branch, and then git. Getenv is the environment.
func (c Checkout) Build(ctx context.Context, getenv func(string) string) Build {
	var b Build
	switch {
	case getenv("GITLAB_CI") != "": // docs.gitlab.com/ci/variables/predefined_variables
		b = Build{
			Commit: getenv("CI_COMMIT_SHA"), Pipeline: cmp.Or(getenv("CI_PIPELINE_URL"), getenv("CI_PIPELINE_ID")),
			Project: cmp.Or(getenv("CI_PROJECT_URL"), getenv("CI_PROJECT_PATH")), Job: getenv("CI_JOB_NAME"),
			// A merge request's pipeline has no branch but its source's.
			Branch: cmp.Or(getenv("CI_COMMIT_BRANCH"), getenv("CI_MERGE_REQUEST_SOURCE_BRANCH_NAME")),
		}
		b.Default = getenv("CI_COMMIT_BRANCH") != "" && getenv("CI_COMMIT_BRANCH") == getenv("CI_DEFAULT_BRANCH")
	case getenv("GITHUB_ACTIONS") != "": // docs.github.com/actions/reference/workflows-and-actions/variables
		server, project := getenv("GITHUB_SERVER_URL"), getenv("GITHUB_REPOSITORY")
		b = Build{
			Commit: getenv("GITHUB_SHA"), Pipeline: server + "/" + project + "/actions/runs/" + getenv("GITHUB_RUN_ID"),
			Project: server + "/" + project, Job: getenv("GITHUB_JOB"),
			Branch: getenv("GITHUB_HEAD_REF"),
		}
		if b.Branch == "" && getenv("GITHUB_REF_TYPE") == "branch" {
			b.Branch = getenv("GITHUB_REF_NAME")
			b.Default = b.Branch != "" && b.Branch == githubDefault(getenv("GITHUB_EVENT_PATH"))
		}
	case getenv("JENKINS_URL") != "": // www.jenkins.io/doc/book/pipeline/jenkinsfile
		b = Build{
			Commit: getenv("GIT_COMMIT"), Pipeline: getenv("BUILD_URL"), Project: getenv("GIT_URL"), Job: getenv("JOB_BASE_NAME"),
			Branch: cmp.Or(getenv("CHANGE_BRANCH"), getenv("BRANCH_NAME"), strings.TrimPrefix(getenv("GIT_BRANCH"), "origin/")),
		}
		b.Default = getenv("CHANGE_BRANCH") == "" && getenv("BRANCH_IS_PRIMARY") == "true"
	}
	if !c.git {
		return b
	}
	if b.Commit == "" {
		b.Commit = c.ask(ctx, "rev-parse", "--verify", "HEAD")
	}
	if b.Branch == "" {
		b.Branch = c.ask(ctx, "symbolic-ref", "--quiet", "--short", "HEAD")
		remote := strings.TrimPrefix(c.ask(ctx, "symbolic-ref", "--quiet", "--short", "refs/remotes/origin/HEAD"), "origin/")
		b.Default = b.Branch != "" && b.Branch == remote
	}
	return b
}

// ask is run without an error: what git does not know is "".
func (c Checkout) ask(ctx context.Context, args ...string) string {
	out, err := c.run(ctx, args...)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(out)
}

// githubDefault reads the default branch from the event that began a workflow.
func githubDefault(path string) string {
	var event struct {
		Repository struct {
			Default string `json:"default_branch"`
		} `json:"repository"`
	}
	text, err := os.ReadFile(path)
	if err != nil || json.Unmarshal(text, &event) != nil {
		return ""
	}
	return event.Repository.Default
}
