// Package config knows the configuration that people write: its YAML, what a
// correct one looks like, how two of them differ, and how one is exported.
//
// A Doc is one whole configuration of one organization, checked. The package
// does not know what channels, steps, trackers and sources there are (cmd
// hands them over as Kinds), what a secret's reference stands for (env: and
// file: are resolved in cmd), where configuration is stored, or who is on call
// now. It reads no files and no environment; the one exception is the time
// zone database, through time.LoadLocation.
package config
