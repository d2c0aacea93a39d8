package event

import (
	"net/url"
	"slices"
	"strings"
)

// webURL returns an address that is safe to show as a link: http or https, with
// a host, and without the name and password that may stand before it, which
// can be a secret or make one host look like another.
func webURL(s string) (clean string, why string) {
	if len(s) > MaxURL {
		return "", "is longer than 2,048 bytes"
	}
	for i := range len(s) {
		if c := s[i]; c <= ' ' || c == 0x7f || c == '\\' {
			return "", "is not a URL"
		}
	}
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return "", "is not a URL"
	case u.Scheme != "http" && u.Scheme != "https":
		return "", "is neither http nor https"
	case u.Hostname() == "":
		return "", "has no host"
	}
	if u.User != nil {
		u.User = nil
		return u.String(), ""
	}
	if cleanLine(s) != s { // C1 controls and bad UTF-8
		return "", "is not a URL"
	}
	return s, ""
}

// addLink adds one link, unless it is there already, and tells of what is odd
// about it, such as that it had to be left out.
func (e *Event) addLink(address, text string) (note string) {
	address = strings.TrimSpace(address)
	clean, why := webURL(address)
	switch {
	case why != "":
		return "a link left out, as it " + why
	case slices.ContainsFunc(e.Links, func(l Link) bool { return l.URL == clean }):
		return ""
	case len(e.Links) == MaxLinks:
		return "a link left out, as there are too many"
	}
	e.Links = append(e.Links, Link{URL: clean, Text: cut(cleanLine(text), MaxName)})
	if clean != address {
		return "a link without the user name and password that stood in it"
	}
	return ""
}
