package config_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/musterhq/muster/config"
)

// TestOperatorsMistakes: who looks after Muster must exist and be reachable.
func TestOperatorsMistakes(t *testing.T) {
	const rest = "users: {ana: {email: ana@shop.example}, mute: {}}\nservices: {platform: {policy: p}}\n" +
		"policies: {p: {steps: [{notify: [user:ana]}]}}\nconnections: {mail: {smtp: \"smtp://mail.shop.example:587\", password: env:P}}\n"
	for text, want := range map[string]string{
		"operators: {service: platform, emergency: [user:ana]}": "",
		"operators: ":                                                         "",
		"operators: {service: platfrom}":                                      `a.yaml:1:22: operators.service: there is no service platfrom (did you mean "platform"?)`,
		"operators: {emergency: [user:anna]}":                                 `a.yaml:1:25: operators.emergency[0]: there is no user anna (did you mean "ana"?)`,
		"operators: {emergency: [ana]}":                                       `a.yaml:1:25: operators.emergency[0]: wants user:NAME; has "ana" (did you mean "user:ana"?)`,
		"operators: {emergency: [usr:ana]}":                                   `a.yaml:1:25: operators.emergency[0]: wants user:NAME; has "usr:ana" (did you mean "user:ana"?)`,
		"operators: {emergency: [team:ops]}":                                  `a.yaml:1:25: operators.emergency[0]: wants user:NAME; has "team:ops"`,
		"operators: {emergency: [user:ana, user:ana]}":                        `a.yaml:1:35: operators.emergency[1]: "user:ana" stands twice in the list`,
		"operators: {emergency: [user:mute]}":                                 `a.yaml:1:25: operators.emergency[0]: user mute cannot be reached by any channel`,
		"operators: {emergeny: []}":                                           `a.yaml:1:13: operators.emergeny: unknown key (did you mean "emergency"?)`,
		"operators: [platform]":                                               `a.yaml:1:12: operators: wants a mapping of keys to values, has a list`,
		"operators: {service: platform}\n---\noperators: {service: platform}": `a.yaml:3:12: operators: is already defined in a.yaml:1:1`,
	} {
		d, err := config.Parse([]config.File{{Name: "a.yaml", Body: []byte(text)}, {Name: "b.yaml", Body: []byte(rest)}}, kinds())
		if err == nil {
			err = d.Check(kinds())
		}
		var problems config.Errors
		errors.As(err, &problems)
		var got []string
		for _, p := range problems {
			got = append(got, p.Error())
		}
		if strings.Join(got, "\n") != want {
			t.Errorf("%s\nsays %q\nwant %q", text, got, want)
		}
	}
}

// TestOperatorsStored: they are one resource among the others.
func TestOperatorsStored(t *testing.T) {
	d := parse(t, "operators: {service: platform, emergency: [user:ana]}")
	stored := d.Resources()
	if len(stored) != 1 || stored[0].Kind != "operators" || stored[0].Slug != "operators" {
		t.Fatalf("stored as %v", stored)
	}
	if _, err := config.FromResources("shop", []config.Resource{{Kind: "operators", Slug: "others", Body: stored[0].Body}}); err == nil {
		t.Error("operators of another slug are taken")
	}
	changes := config.Diff(d, parse(t, "operators: {service: platform}"))
	if len(changes) != 1 || changes[0].Op != "change" || changes[0].Fields[0].Path != "emergency" {
		t.Errorf("the difference is %v", changes)
	}
	if changes := config.Diff(d, parse(t, "")); len(changes) != 1 || changes[0].Op != "remove" {
		t.Errorf("the difference is %v", changes)
	}
}
