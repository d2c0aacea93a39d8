package gate

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const ownersSamples = "../../shared/samples/codeowners"

// TestCodeownersSamples reads files of real projects. Who owns what was worked
// out by reading them.
func TestCodeownersSamples(t *testing.T) {
	if _, err := os.Stat(ownersSamples); err != nil {
		t.Skip("samples absent: ", err)
	}
	argo := func(more string) string { return strings.TrimSpace("@argoproj/argocd-approvers " + more) }
	const ci, docs, cli, ui = "@argoproj/argocd-approvers-ci", "@argoproj/argocd-approvers-docs", "@argoproj/argocd-approvers-cli", "@argoproj/argocd-approvers-ui"
	tests := []struct {
		file    string
		dialect Dialect
		want    map[string]string
	}{
		{"GaloisInc__swanky__.gitlab__CODEOWNERS", GitLab, map[string]string{
			"bristol-fashion":              "@isweet",
			"bristol-fashion/src/lib.rs":   "@isweet",
			"x/bristol-fashion/src/lib.rs": "",
			"diet-mac-and-cheese/a":        "@benoit.razet @cphifer",
			"crates/party/src/lib.rs":      "@marc @cphifer",
			"crates/field/src/lib.rs":      "Finite Fields: @marc @cphifer",
			"crates/field-x/src/lib.rs":    "",
			"swanky":                       "CI Infrastructure: @marc @cphifer",
			"swanky/a":                     "",
			".gitlab/CODEOWNERS":           "CI Infrastructure: @marc @cphifer",
			".cargo/config.toml":           "CI Infrastructure: @marc @cphifer",
			"README.md":                    "",
		}},
		{"NVIDIA__warp__.gitlab__CODEOWNERS", GitLab, map[string]string{
			"warp/__init__.py":               "Public API: @mmacklin @ershi",
			"warp/config.py":                 "Public API: @mmacklin @ershi",
			"README.md":                      "Key Project Files: @ershi",
			"docs/README.md":                 "^Docs and Examples: @mmacklin @ershi",
			"warp/tests/.gitignore":          "CI/CD: @ershi",
			"warp/native/clang/clang.cpp":    "^Native C++/CUDA: @mmacklin @lwawrzyniak @ncapens; ^Clang: @ncapens",
			"warp/native/tile_gemm.h":        "^Native C++/CUDA: @mmacklin @lwawrzyniak @ncapens; ^Tiles: @zcorse",
			"warp/native/tiles/x.h":          "^Native C++/CUDA: @mmacklin @lwawrzyniak @ncapens",
			"warp/native/bvh.cpp":            "^Native C++/CUDA: @mmacklin @lwawrzyniak @ncapens; ^BVH and Meshes: @mmacklin @ankac",
			"warp/native/intersect_tri.h":    "^Native C++/CUDA: @mmacklin @lwawrzyniak @ncapens; ^BVH and Meshes: @mmacklin @ankac",
			"warp/native/fabric.h":           "^Native C++/CUDA: @mmacklin @lwawrzyniak @ncapens; ^Interoperability: @lwawrzyniak",
			"warp/examples/fem/example.py":   "^Docs and Examples: @mmacklin @ershi; ^FEM Module: @gdaviet",
			"warp/tests/test_fem.py":         "^FEM Module: @gdaviet",
			"warp/_src/build.py":             "^Build: @ncapens",
			"warp/_src/context.py":           "",
			".github/workflows/ci.yml":       "CI/CD: @ershi",
			"warp/jax_experimental/ffi.py":   "^Interoperability: @lwawrzyniak",
			"warp/native/volume_builder.cpp": "^Native C++/CUDA: @mmacklin @lwawrzyniak @ncapens; ^Volumes: @gdaviet",
		}},
		{"SigNoz__signoz__.github__CODEOWNERS", GitHub, map[string]string{
			"frontend/src/index.tsx":                    "@SigNoz/frontend-maintainers",
			"frontend/src/lib/authz/index.ts":           "@H4ad",
			"go.mod":                                    "@therealpandey",
			"tools/go.mod":                              "@therealpandey",
			".github/workflows/ci.yaml":                 "@therealpandey",
			"pkg/querier/querier.go":                    "@srikanthccv @therealpandey",
			"pkg/types/alertmanagertypes/alert.go":      "@srikanthccv @therealpandey",
			"pkg/types/coretypes/kind.go":               "@therealpandey @vikrantgupta25",
			"pkg/types/emailtypes/a.go":                 "@therealpandey",
			"frontend/src/container/RolesSettings/a.ts": "@H4ad",
			"README.md":                                 "",
		}},
		{"argoproj__argo-cd__CODEOWNERS", GitHub, map[string]string{
			"controller/appcontroller.go":      argo(""),
			"docs/index.md":                    argo(docs),
			"docs/operator-manual/rbac.md":     argo(docs + " " + cli),
			"USERS.md":                         argo(docs),
			"x/USERS.md":                       argo(""),
			"Makefile":                         argo(ci),
			"hack/x/Makefile":                  argo(ci),
			"hack/gen-docs/main.go":            argo(""),
			"hack/installers/a.sh":             argo(ci),
			"test/Dockerfile.dev":              argo(ci),
			".github/workflows/ci.yaml":        argo(ci),
			"cmd/argocd/commands/app.go":       argo(cli),
			"cmd/main.go":                      argo(cli),
			"ui/src/app/app.tsx":               argo(ui),
			"ui-test/src/a.ts":                 argo(ui),
			"hack/generate-actions-list.sh":    argo(""),
			"renovate-presets/custom/a.json5":  argo(ci),
			"docs/operator-manual/a/b/deep.md": argo(docs + " " + cli),
		}},
		{"fluent__fluent-bit__CODEOWNERS", GitHub, map[string]string{
			"README.md":                        "@edsiper @leonardo-albertovich @cosmo0920",
			"CMakeLists.txt":                   "@fujimotos @niedbalski @patrick-stephens @celalettin1286",
			"src/CMakeLists.txt":               "@edsiper @leonardo-albertovich @cosmo0920",
			"src/aws/flb_aws_credentials.c":    "@fluent/aws-fluent-bit-maintainers",
			"src/flb_signv4.c":                 "@fluent/aws-fluent-bit-maintainers",
			"src/stream_processor/flb_sp.c":    "@koleini",
			"plugins/in_docker/docker.c":       "@nokute78 @edsiper",
			"plugins/in_docker_events/a.c":     "@edsiper @leonardo-albertovich @cosmo0920",
			"tests/internal/aws_util.c":        "@fluent/aws-fluent-bit-maintainers",
			"tests/internal/aws_dir/a.c":       "@fluent/aws-fluent-bit-maintainers",
			"tests/runtime/data/stackdriver/a": "@JeffLuoo",
			".devcontainer/devcontainer.json":  "@patrick-stephens @niedbalski @edsiper",
			"plugins/out_calyptia/calyptia.c":  "@pwhelan @alecholmes",
		}},
		{"grafana__oncall__.github__CODEOWNERS", GitHub, map[string]string{
			"engine/manage.py":           "@grafana/grafana-irm-backend",
			"grafana-plugin/src/a.ts":    "@grafana/grafana-irm-frontend",
			"grafana-plugin/pkg/main.go": "@grafana/grafana-irm-backend",
			"grafana-plugin/go.mod":      "@grafana/grafana-irm-backend",
			"docs/sources/_index.md":     "@grafana/docs-gops @grafana/grafana-irm",
			"docs/Makefile":              "@jdbaldry",
			"docs/make-docs":             "@jdbaldry",
			".github/workflows/ci.yml":   "@grafana/grafana-irm-backend",
		}},
		{"hashicorp__nomad__.github__CODEOWNERS", GitHub, map[string]string{
			"nomad/server.go": "@hashicorp/github-nomad-core @hashicorp/nomad-eng",
			".gitignore":      "@hashicorp/github-nomad-core @hashicorp/nomad-eng",
		}},
		{"open-telemetry__opentelemetry-proto__.github__CODEOWNERS", GitHub, map[string]string{
			"README.md": "@open-telemetry/proto-maintainers @open-telemetry/proto-approvers",
			"opentelemetry/proto/profiles/v1development/profiles.proto": "@open-telemetry/spec-sponsors @open-telemetry/profiling-approvers",
			"opentelemetry/proto/collector/profiles/a.proto":            "@open-telemetry/spec-sponsors @open-telemetry/profiling-approvers",
			"opentelemetry/proto/logs/v1/logs.proto":                    "@open-telemetry/proto-maintainers @open-telemetry/proto-approvers",
			"x/opentelemetry/proto/profiles/a.proto":                    "@open-telemetry/proto-maintainers @open-telemetry/proto-approvers",
		}},
		{"prometheus__alertmanager__CODEOWNERS", GitHub, map[string]string{
			"main.go":                "@prometheus/alertmanager-maintainers",
			"notify/slack/slack.go":  "@prometheus/alertmanager-maintainers",
			"template/a/b/deep.tmpl": "@prometheus/alertmanager-maintainers",
		}},
		{"tailscale__tailscale__CODEOWNERS", GitHub, map[string]string{"README.md": "", "CODEOWNERS": ""}},
	}
	read := map[string]bool{"PROVENANCE.md": true}
	for _, tt := range tests {
		t.Run(tt.file, func(t *testing.T) {
			read[tt.file] = true
			text, err := os.ReadFile(filepath.Join(ownersSamples, tt.file))
			if err != nil {
				t.Fatal(err)
			}
			c, problems := ParseCodeowners(tt.dialect, text)
			for _, p := range problems {
				t.Errorf("line %d: %s", p.Line, p.Why)
			}
			for path, want := range tt.want {
				if got := owned(c, path); got != want {
					t.Errorf("%s: %q, want %q", path, got, want)
				}
			}
		})
	}
	files, err := os.ReadDir(ownersSamples)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !read[f.Name()] {
			t.Errorf("%s is read by no test", f.Name())
		}
	}
}
