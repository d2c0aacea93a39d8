package templates

import (
	"archive/zip"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// TestGitLabSchema holds the template to the schema that GitLab publishes for
// its CI files, as the package check-jsonschema ships it: the header with its
// inputs, and the jobs with and without the inputs put in.
func TestGitLabSchema(t *testing.T) {
	schema := gitlabSchema(t)
	parts := bytes.Split(Gate, []byte("\n---\n"))
	if len(parts) != 2 {
		t.Fatalf("the template has %d documents, want a header and the jobs", len(parts))
	}
	for name, text := range map[string]string{"header": string(parts[0]), "jobs": string(parts[1]), "jobs with their inputs": filled(t)} {
		var doc any
		if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := schema.Validate(doc); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The test must be able to fail.
	var bad any
	if err := yaml.Unmarshal([]byte(strings.Replace(filled(t), "codequality:", "code_quality:", 1)), &bad); err != nil {
		t.Fatal(err)
	}
	if schema.Validate(bad) == nil {
		t.Error("an artefact that GitLab does not know passes")
	}
}

// TestShell: what the job's shell makes of the inputs is the command that was
// meant, and options that are not given leave nothing behind.
func TestShell(t *testing.T) {
	var doc map[string]struct {
		Script []string `yaml:"script"`
	}
	if err := yaml.Unmarshal([]byte(filled(t)), &doc); err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	fake := "#!/bin/sh\nfor a; do printf '<%s>' \"$a\"; done; echo\n"
	if err := os.WriteFile(filepath.Join(bin, "muster"), []byte(fake), 0o755); err != nil {
		t.Fatal(err)
	}
	for job, want := range map[string]string{
		"muster-gate":     "<gate><run><--tool><memcheck><--suite><unit tests><--code-quality><gl-code-quality-report.json><--junit><muster-junit.xml><--sarif><muster.sarif><--markdown><muster.md><--report><https://muster.example.com><--gate><checkout-memory><--budget><warning=3><--><./tests><--all>\n",
		"muster-selftest": "<gate><selftest><--report><https://muster.example.com><--gate><checkout-memory>\n",
	} {
		cmd := exec.Command("sh", "-e", "-c", strings.Join(doc[job].Script, "\n"))
		cmd.Env = []string{"PATH=" + bin + ":" + os.Getenv("PATH"), "CI_JOB_NAME=unit tests"}
		out, err := cmd.CombinedOutput()
		if err != nil || string(out) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", job, err, out, want)
		}
	}
}

// filled is the jobs as GitLab makes them of inputs; those that are not given
// have their defaults.
func filled(t *testing.T) string {
	t.Helper()
	header, jobs, _ := strings.Cut(string(Gate), "\n---\n")
	var spec struct {
		Spec struct {
			Inputs map[string]struct {
				Default *string `yaml:"default"`
			} `yaml:"inputs"`
		} `yaml:"spec"`
	}
	if err := yaml.Unmarshal([]byte(header), &spec); err != nil {
		t.Fatal(err)
	}
	given := map[string]string{"command": "./tests --all", "gate": "checkout-memory", "report": "https://muster.example.com", "options": "--budget warning=3"}
	for name, input := range spec.Spec.Inputs {
		value, ok := given[name]
		if !ok {
			if input.Default == nil {
				t.Fatalf("the input %s has no default and was not given", name)
			}
			value = *input.Default
		}
		jobs = strings.ReplaceAll(jobs, "$[[ inputs."+name+" ]]", value)
	}
	if i := strings.Index(jobs, "$[["); i >= 0 {
		t.Fatalf("the jobs take what is no input: %.60s", jobs[i:])
	}
	return jobs
}

// gitlabSchema finds the schema in the package, which the project's tools
// install.
func gitlabSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	wheels, _ := filepath.Glob("../bin/check_jsonschema-*.whl")
	if len(wheels) == 0 {
		t.Skip("not here: the schema of GitLab CI; make tools fetches it")
	}
	z, err := zip.OpenReader(wheels[0])
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	f, err := z.Open("check_jsonschema/builtin_schemas/vendor/gitlab-ci.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("gitlab-ci.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("gitlab-ci.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}
