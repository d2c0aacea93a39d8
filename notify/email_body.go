package notify

import (
	"fmt"
	"html/template"
	"strings"
)

// emailBodies writes a mail's text and HTML.
func emailBodies(m Message) (plain, rich string, err error) {
	v := emailView{
		Title:  line(m.Title, 300),
		Head:   headline(m),
		Text:   block(m.Text, 15000),
		URL:    link(m.URL),
		Repeat: m.Repeat,
		Colour: slackColour(m.Status),
	}
	for _, f := range []Fact{
		{"Organization", m.Organization}, {"Service", m.Service}, {"Status", m.Status}, {"Severity", m.Severity},
	} {
		if f.Value != "" {
			v.Facts = append(v.Facts, Fact{f.Name, line(f.Value, 200)})
		}
	}
	for _, f := range m.Facts[:min(len(m.Facts), 100)] {
		v.Facts = append(v.Facts, Fact{line(f.Name, 100), block(f.Value, 1000)})
	}

	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", v.Head)
	if v.Repeat > 0 {
		fmt.Fprintf(&b, "(repeat %d: you may have this mail already)\n", v.Repeat)
	}
	if v.Text != "" {
		fmt.Fprintf(&b, "\n%s\n", v.Text)
	}
	if len(v.Facts) > 0 {
		b.WriteString("\n")
	}
	for _, f := range v.Facts {
		fmt.Fprintf(&b, "%s: %s\n", f.Name, f.Value)
	}
	if v.URL != "" {
		fmt.Fprintf(&b, "\n%s\n", v.URL)
	}

	var h strings.Builder
	if err := emailPage.Execute(&h, v); err != nil {
		return "", "", fmt.Errorf("writing the mail: %w", err)
	}
	return b.String(), h.String(), nil
}

type emailView struct {
	Title, Head, Text, URL, Colour string
	Facts                          []Fact
	Repeat                         int
}

// emailPage escapes by context; the one address in it was checked by link.
var emailPage = template.Must(template.New("mail").Parse(`<!doctype html>
<html lang="en">
<body style="font-family:sans-serif">
<div style="border-left:6px solid {{.Colour}};padding-left:12px">
<h1 style="font-size:18px">{{.Head}}</h1>
{{- if .Repeat}}
<p>Repeat {{.Repeat}}: you may have this mail already.</p>
{{- end}}
{{- if .Text}}
<p style="white-space:pre-wrap">{{.Text}}</p>
{{- end}}
{{- if .Facts}}
<table>
{{- range .Facts}}
<tr><th style="text-align:left;padding-right:12px">{{.Name}}</th><td style="white-space:pre-wrap">{{.Value}}</td></tr>
{{- end}}
</table>
{{- end}}
{{- if .URL}}
<p><a href="{{.URL}}" rel="noopener noreferrer">Open the incident</a></p>
{{- end}}
</div>
</body>
</html>
`))
