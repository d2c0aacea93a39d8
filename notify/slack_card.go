package notify

import (
	"fmt"
	"strings"

	"github.com/slack-go/slack"
)

// Slack's limits, in characters after escaping, but for the last two
// (docs.slack.dev/reference/block-kit).
const (
	slackText      = 3000 // of a section; and what we put into "text", which may hold 40,000
	slackField     = 2000
	slackFields    = 10 // of a section
	slackLabel     = 75 // of a button
	slackValue     = 2000
	slackPerBlock  = 25 // buttons
	slackMostFacts = 40 // ours: four sections of the 50 blocks a message may have
)

// slackCard renders a message: a line of text, which is also what a phone
// shows, and below it a card with a bar in the colour of the state.
func slackCard(m Message) ([]slack.MsgOption, error) {
	var blocks []slack.Block
	if m.Text != "" {
		if text := escapeSlack(block(m.Text, slackText), slackText); text != "" {
			blocks = append(blocks, slack.NewSectionBlock(slackMarkdown(text), nil, nil))
		}
	}
	blocks = append(blocks, slackFacts(m)...)
	inThread := m.Kind == Page && m.Ref != ""
	if !inThread { // the buttons stand at the message that is edited, and never go stale in a reply
		buttons, err := slackButtons(m.Actions)
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, buttons...)
	}
	if foot := slackFoot(m); foot != "" {
		blocks = append(blocks, slack.NewContextBlock("", *slackMarkdown(foot)))
	}

	options := slackLine(escapeSlack(headline(m), slackText))
	if len(blocks) > 0 {
		options = append(options, slack.MsgOptionAttachments(slack.Attachment{
			Color:    slackColour(m.Status),
			Fallback: escapeSlack(headline(m), slackText),
			Blocks:   slack.Blocks{BlockSet: blocks},
		}))
	}
	return options, nil
}

// slackPlain renders a message as text alone.
func slackPlain(m Message) []slack.MsgOption {
	text := headline(m)
	if m.Text != "" {
		text += "\n" + block(m.Text, 1500)
	}
	for _, f := range m.Facts {
		text += "\n" + line(f.Name, 100) + ": " + line(f.Value, 200)
	}
	text = escapeSlack(text, slackText-500)
	if u := slackLink(m); u != "" {
		text += "\n" + u
	}
	return append(slackLine(text), slack.MsgOptionAttachments([]slack.Attachment{}...))
}

// slackLine is the text with everything off that could find meaning in it:
// names, links, previews.
func slackLine(text string) []slack.MsgOption {
	return []slack.MsgOption{
		slack.MsgOptionText(text, false), // escaped already
		slack.MsgOptionParse(false),
		slack.MsgOptionLinkNames(false),
		slack.MsgOptionDisableLinkUnfurl(),
		slack.MsgOptionDisableMediaUnfurl(),
	}
}

func slackFacts(m Message) []slack.Block {
	facts := m.Facts
	if m.Service != "" {
		facts = append([]Fact{{"Service", m.Service}}, facts...)
	}
	more := len(facts) - slackMostFacts
	facts = facts[:min(len(facts), slackMostFacts)]

	var blocks []slack.Block
	var fields []*slack.TextBlockObject
	flush := func() {
		if len(fields) > 0 {
			blocks = append(blocks, slack.NewSectionBlock(nil, fields, nil))
			fields = nil
		}
	}
	for _, f := range facts {
		name := escapeSlack(line(f.Name, 100), 600)
		value := escapeSlack(block(f.Value, 600), slackField-700)
		if value == "" {
			value = "–"
		}
		fields = append(fields, slackMarkdown("*"+name+"*\n"+value))
		if len(fields) == slackFields {
			flush()
		}
	}
	flush()
	if more > 0 {
		blocks = append(blocks, slack.NewContextBlock("", *slackMarkdown(fmt.Sprintf("and %d more", more))))
	}
	return blocks
}

// slackButtons renders the actions. An action's name is the action_id, which
// must be unique in a block: a second one of the same name starts a new block.
func slackButtons(actions []Action) ([]slack.Block, error) {
	var blocks []slack.Block
	var row []slack.BlockElement
	used := map[string]bool{}
	flush := func() {
		if len(row) > 0 {
			blocks = append(blocks, slack.NewActionBlock("", row...))
			row, used = nil, map[string]bool{}
		}
	}
	for i, a := range actions {
		switch {
		case a.Name == "" || len(a.Name) > 255:
			return nil, fmt.Errorf("actions[%d]: name has %d bytes, not 1 to 255", i, len(a.Name))
		case len(a.Value) > slackValue: // an id must not be cut
			return nil, fmt.Errorf("actions[%d]: value has %d bytes, more than %d", i, len(a.Value), slackValue)
		case len(blocks) >= 20:
			return nil, fmt.Errorf("actions[%d]: too many", i)
		}
		if used[a.Name] || len(row) == slackPerBlock {
			flush()
		}
		used[a.Name] = true
		label := escapeSlack(line(a.Label, slackLabel), slackLabel)
		if label == "" {
			label = escapeSlack(line(a.Name, slackLabel), slackLabel)
		}
		button := slack.NewButtonBlockElement(a.Name, a.Value, slack.NewTextBlockObject(slack.PlainTextType, label, false, false))
		if a.Style == "primary" || a.Style == "danger" {
			button = button.WithStyle(slack.Style(a.Style))
		}
		row = append(row, button)
	}
	flush()
	return blocks, nil
}

func slackFoot(m Message) string {
	var parts []string
	if u := slackLink(m); u != "" {
		parts = append(parts, u)
	}
	if m.Organization != "" {
		parts = append(parts, escapeSlack(line(m.Organization, 100), 600))
	}
	if m.Repeat > 0 {
		parts = append(parts, fmt.Sprintf("repeat %d: you may have seen this already", m.Repeat))
	}
	return strings.Join(parts, " · ")
}

// slackLink is the link to the incident, in Slack's form.
func slackLink(m Message) string {
	u := link(m.URL)
	if u == "" || len(u) > 1000 {
		return ""
	}
	u = strings.NewReplacer("|", "%7C", "<", "%3C", ">", "%3E", "&", "&amp;").Replace(u)
	return "<" + u + "|Open the incident>"
}

// slackMarkdown makes a text object that finds no names and links in its text.
func slackMarkdown(escaped string) *slack.TextBlockObject {
	return slack.NewTextBlockObject(slack.MarkdownType, escaped, false, true)
}

func slackColour(status string) string {
	switch status {
	case "acknowledged":
		return "#e8a317"
	case "resolved":
		return "#2eb67d"
	case "snoozed":
		return "#8d8d8d"
	default: // triggered, and what we do not know, is trouble
		return "#d92d20"
	}
}

// escapeSlack escapes Slack's three control characters
// (docs.slack.dev/messaging/formatting-message-text), without which no
// <!channel>, <@member> or <link|text> comes to life, and cuts the result at a
// number of UTF-16 units, never within an escape.
func escapeSlack(s string, most int) string {
	const ellipsis = "…"
	var b strings.Builder
	n, fits := 0, 0 // fits: the bytes to keep if the text turns out too long
	for _, r := range s {
		form, width := string(r), 1
		switch r {
		case '&':
			form, width = "&amp;", 5
		case '<':
			form, width = "&lt;", 4
		case '>':
			form, width = "&gt;", 4
		default:
			if r > 0xFFFF {
				width = 2
			}
		}
		if n+width > most {
			return b.String()[:fits] + ellipsis
		}
		n += width
		b.WriteString(form)
		if n <= most-1 {
			fits = b.Len()
		}
	}
	return b.String()
}
