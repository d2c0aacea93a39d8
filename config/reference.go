package config

import (
	"regexp"
	"strings"
)

// Masked stands in an export where a secret is that is not a reference.
const Masked = "***"

var (
	envForm  = regexp.MustCompile(`^env:[A-Za-z_][A-Za-z0-9_]*$`)
	fileForm = regexp.MustCompile(`^file:/[^\x00-\x1f\x7f]*$`)
)

// IsReference tells whether the value of a secret only says where the secret
// is: env:NAME or file:/path. References may be shown; cmd resolves them.
func IsReference(value string) bool {
	return envForm.MatchString(value) || fileForm.MatchString(value)
}

// badSecret says what is wrong with the value of a secret, without showing it.
func badSecret(value string) string {
	switch {
	case strings.HasPrefix(value, "env:") && !envForm.MatchString(value):
		return "the reference to the environment wants the form env:NAME"
	case strings.HasPrefix(value, "file:") && !fileForm.MatchString(value):
		return "the reference to a file wants the form file:/path, from the root"
	case strings.TrimSpace(value) == "":
		return "is empty"
	}
	return badText(value)
}

// display returns the value of a secret as it may be shown.
func display(value string) string {
	if IsReference(value) {
		return value
	}
	return Masked
}
