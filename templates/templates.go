// Package templates holds what other systems take into their configuration: the
// job for GitLab CI that runs the gate. It knows nothing but these texts.
package templates

import _ "embed"

// Gate is gate.yml: jobs for GitLab CI, to be included.
//
//go:embed gate.yml
var Gate []byte
