package checkout

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// repository makes one with a commit on main, in a folder, and returns it.
func repository(t *testing.T, files map[string]string) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	git(t, root, "init", "-q", "-b", "main")
	git(t, root, "add", "-A")
	git(t, root, "commit", "-q", "-m", "first")
	return root
}

func git(t *testing.T, root string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", root}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_SYSTEM=/dev/null",
		"GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b.example", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b.example")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestFiles: git says which files are ours, wherever in the repository it is
// asked, also in a hook whose variables name another repository.
func TestFiles(t *testing.T) {
	root := repository(t, map[string]string{"a.c": "1", "src/b.c": "2", ".gitignore": "*.o\n", "src/b.o": "3"})
	if err := os.WriteFile(filepath.Join(root, "new.c"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GIT_DIR", "/nowhere/at/all.git")
	c, err := At(filepath.Join(root, "src"))
	if err != nil || c.Root != root {
		t.Fatalf("%+v, %v", c, err)
	}
	files, err := c.Files(t.Context())
	slices.Sort(files)
	if diff := cmp.Diff([]string{".gitignore", "a.c", "new.c", "src/b.c"}, files); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if text, err := c.Read("src/b.c"); string(text) != "2" || err != nil {
		t.Errorf("%q, %v", text, err)
	}
}

// TestFolder: without git it is all that lies in the folder, but for hidden
// folders.
func TestFolder(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"a.c", "src/b.c", ".cache/x.c"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(root, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := At(root)
	if err != nil {
		t.Fatal(err)
	}
	files, err := c.Files(t.Context())
	if diff := cmp.Diff([]string{"a.c", "src/b.c"}, files); diff != "" || err != nil {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if b := c.Build(t.Context(), func(string) string { return "" }); b != (Build{}) {
		t.Errorf("%+v", b)
	}
}

// TestRead: nothing is read from outside of the checkout, and no device.
func TestRead(t *testing.T) {
	root := t.TempDir()
	if err := os.Symlink("/etc/passwd", filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(root, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	c, err := At(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"link", "../../etc/passwd", "/etc/passwd", "folder", "nothing"} {
		if text, err := c.Read(name); err == nil {
			t.Errorf("%s: read %d bytes", name, len(text))
		}
	}
}

func TestBuild(t *testing.T) {
	root := repository(t, map[string]string{"a.c": "1"})
	sha := git(t, root, "rev-parse", "HEAD")
	git(t, root, "update-ref", "refs/remotes/origin/main", "HEAD")
	git(t, root, "symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main")
	event := filepath.Join(t.TempDir(), "event.json")
	if err := os.WriteFile(event, []byte(`{"repository":{"default_branch":"main"}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name string
		env  map[string]string
		want Build
	}{
		{"git", nil, Build{Commit: sha, Branch: "main", Default: true}},
		{"a branch in GitLab", map[string]string{
			"GITLAB_CI": "true", "CI_COMMIT_SHA": "c1", "CI_COMMIT_BRANCH": "main", "CI_DEFAULT_BRANCH": "main",
			"CI_PIPELINE_URL": "https://g/p/1", "CI_PROJECT_URL": "https://g/p", "CI_JOB_NAME": "unit",
		}, Build{Commit: "c1", Branch: "main", Default: true, Pipeline: "https://g/p/1", Project: "https://g/p", Job: "unit"}},
		{"a merge request in GitLab whose branch is called like the default one", map[string]string{
			"GITLAB_CI": "true", "CI_COMMIT_SHA": "c1", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "main", "CI_DEFAULT_BRANCH": "main",
		}, Build{Commit: "c1", Branch: "main"}},
		{"a branch in GitHub", map[string]string{
			"GITHUB_ACTIONS": "true", "GITHUB_SHA": "c2", "GITHUB_REF_TYPE": "branch", "GITHUB_REF_NAME": "main", "GITHUB_EVENT_PATH": event,
			"GITHUB_SERVER_URL": "https://h", "GITHUB_REPOSITORY": "o/p", "GITHUB_RUN_ID": "7", "GITHUB_JOB": "unit",
		}, Build{Commit: "c2", Branch: "main", Default: true, Pipeline: "https://h/o/p/actions/runs/7", Project: "https://h/o/p", Job: "unit"}},
		{"a pull request in GitHub", map[string]string{
			"GITHUB_ACTIONS": "true", "GITHUB_SHA": "c2", "GITHUB_REF_TYPE": "branch", "GITHUB_REF_NAME": "3/merge", "GITHUB_HEAD_REF": "fix", "GITHUB_EVENT_PATH": event,
			"GITHUB_SERVER_URL": "https://h", "GITHUB_REPOSITORY": "o/p", "GITHUB_RUN_ID": "7",
		}, Build{Commit: "c2", Branch: "fix", Pipeline: "https://h/o/p/actions/runs/7", Project: "https://h/o/p"}},
		{"Jenkins", map[string]string{
			"JENKINS_URL": "https://j", "GIT_COMMIT": "c3", "GIT_BRANCH": "origin/main", "BRANCH_IS_PRIMARY": "true", "BUILD_URL": "https://j/1", "GIT_URL": "https://g", "JOB_BASE_NAME": "main",
		}, Build{Commit: "c3", Branch: "main", Default: true, Pipeline: "https://j/1", Project: "https://g", Job: "main"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, err := At(root)
			if err != nil {
				t.Fatal(err)
			}
			got := c.Build(t.Context(), func(name string) string { return tt.env[name] })
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}
