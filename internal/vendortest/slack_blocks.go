package vendortest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"
)

// The limits of Block Kit (docs.slack.dev/reference/block-kit), for the kinds
// of blocks that are known here.
type slackBlock struct {
	Type     string            `json:"type"`
	BlockID  string            `json:"block_id"`
	Text     *slackTextObject  `json:"text,omitempty"`
	Fields   []slackTextObject `json:"fields,omitempty"`
	Elements []json.RawMessage `json:"elements,omitempty"`
}

type slackTextObject struct {
	Type     string `json:"type"`
	Text     string `json:"text"`
	Emoji    *bool  `json:"emoji,omitempty"`
	Verbatim bool   `json:"verbatim,omitempty"`
}

type slackButton struct {
	Type     string          `json:"type"`
	ActionID string          `json:"action_id"`
	Text     slackTextObject `json:"text"`
	Value    string          `json:"value,omitempty"`
	URL      string          `json:"url,omitempty"`
	Style    string          `json:"style,omitempty"`
}

// readBlocks checks blocks and returns them with their ids filled in. The
// problem, if any, ends with a pointer to its place.
func readBlocks(raw json.RawMessage, at string) (json.RawMessage, string) {
	var blocks []slackBlock
	if err := json.Unmarshal(raw, &blocks); err != nil {
		return nil, fmt.Sprintf("invalid JSON [json-pointer:%s]", at)
	}
	if len(blocks) > 50 {
		return nil, fmt.Sprintf("no more than 50 items allowed [json-pointer:%s]", at)
	}
	ids := map[string]bool{}
	for i := range blocks {
		b := &blocks[i]
		here := fmt.Sprintf("%s/%d", at, i)
		if b.BlockID == "" {
			b.BlockID = fmt.Sprintf("b%d", i)
		}
		if ids[b.BlockID] || len(b.BlockID) > 255 {
			return nil, fmt.Sprintf("block_id must be unique and shorter than 256 characters [json-pointer:%s/block_id]", here)
		}
		ids[b.BlockID] = true
		if problem := b.check(here); problem != "" {
			return nil, problem
		}
	}
	out, err := json.Marshal(blocks)
	if err != nil {
		return nil, err.Error()
	}
	return out, ""
}

func (b slackBlock) check(at string) string {
	switch b.Type {
	case "divider":
		return ""
	case "section":
		return b.checkSection(at)
	case "header":
		if b.Text == nil {
			return fmt.Sprintf("missing required field: text [json-pointer:%s]", at)
		}
		return b.Text.check(at+"/text", 150, "plain_text")
	case "actions":
		return b.checkActions(at)
	case "context":
		if len(b.Elements) == 0 || len(b.Elements) > 10 {
			return fmt.Sprintf("must have 1 to 10 items [json-pointer:%s/elements]", at)
		}
		for i, raw := range b.Elements {
			var t slackTextObject
			if json.Unmarshal(raw, &t) != nil {
				return fmt.Sprintf("invalid element [json-pointer:%s/elements/%d]", at, i)
			}
			if problem := t.check(fmt.Sprintf("%s/elements/%d", at, i), 3000, "mrkdwn", "plain_text"); problem != "" {
				return problem
			}
		}
		return ""
	default:
		return fmt.Sprintf("unsupported type: %s [json-pointer:%s/type]", b.Type, at)
	}
}

func (b slackBlock) checkSection(at string) string {
	if b.Text == nil && len(b.Fields) == 0 {
		return fmt.Sprintf("missing required field: text or fields [json-pointer:%s]", at)
	}
	if b.Text != nil {
		if problem := b.Text.check(at+"/text", 3000, "mrkdwn", "plain_text"); problem != "" {
			return problem
		}
	}
	if len(b.Fields) > 10 {
		return fmt.Sprintf("no more than 10 items allowed [json-pointer:%s/fields]", at)
	}
	for i, f := range b.Fields {
		if problem := f.check(fmt.Sprintf("%s/fields/%d", at, i), 2000, "mrkdwn", "plain_text"); problem != "" {
			return problem
		}
	}
	return ""
}

func (b slackBlock) checkActions(at string) string {
	if len(b.Elements) == 0 || len(b.Elements) > 25 {
		return fmt.Sprintf("must have 1 to 25 items [json-pointer:%s/elements]", at)
	}
	ids := map[string]bool{}
	for i, raw := range b.Elements {
		here := fmt.Sprintf("%s/elements/%d", at, i)
		var e slackButton
		if json.Unmarshal(raw, &e) != nil || e.Type != "button" {
			return fmt.Sprintf("unsupported element [json-pointer:%s]", here)
		}
		if problem := e.Text.check(here+"/text", 75, "plain_text"); problem != "" {
			return problem
		}
		switch {
		case e.ActionID == "" || len(e.ActionID) > 255:
			return fmt.Sprintf("must have 1 to 255 characters [json-pointer:%s/action_id]", here)
		case ids[e.ActionID]:
			return fmt.Sprintf("`action_id` %q already exists [json-pointer:%s/action_id]", e.ActionID, here)
		case utf8.RuneCountInString(e.Value) > 2000:
			return fmt.Sprintf("must be less than 2001 characters [json-pointer:%s/value]", here)
		case len(e.URL) > 3000:
			return fmt.Sprintf("must be less than 3001 characters [json-pointer:%s/url]", here)
		case e.Style != "" && e.Style != "primary" && e.Style != "danger":
			return fmt.Sprintf("must be primary or danger [json-pointer:%s/style]", here)
		}
		ids[e.ActionID] = true
	}
	return ""
}

func (t slackTextObject) check(at string, most int, types ...string) string {
	known := false
	for _, k := range types {
		known = known || t.Type == k
	}
	switch n := utf8.RuneCountInString(t.Text); {
	case !known:
		return fmt.Sprintf("unsupported type: %s [json-pointer:%s/type]", t.Type, at)
	case n == 0:
		return fmt.Sprintf("must be more than 0 characters [json-pointer:%s/text]", at)
	case n > most:
		return fmt.Sprintf("must be less than %d characters [json-pointer:%s/text]", most+1, at)
	case t.Type == "mrkdwn" && t.Emoji != nil:
		return fmt.Sprintf("emoji is for plain_text [json-pointer:%s/emoji]", at)
	}
	return ""
}

// readAttachments checks attachments, and the blocks in them.
func readAttachments(raw json.RawMessage) (out json.RawMessage, problem, code string) {
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, "invalid JSON [json-pointer:/attachments]", "invalid_attachments"
	}
	if len(list) > 100 {
		return nil, "no more than 100 items allowed [json-pointer:/attachments]", "too_many_attachments"
	}
	for i, a := range list {
		if a["blocks"] == nil {
			continue
		}
		blocks, problem := readBlocks(a["blocks"], fmt.Sprintf("/attachments/%d/blocks", i))
		if problem != "" {
			return nil, problem, "invalid_attachments"
		}
		a["blocks"] = blocks
	}
	if len(list) == 0 {
		return nil, "", ""
	}
	out, err := json.Marshal(list)
	if err != nil {
		return nil, err.Error(), "invalid_attachments"
	}
	return out, "", ""
}

// Buttons returns the buttons of a message by action_id, with their values. Of
// several with one id the first counts.
func (m SlackMessage) Buttons() map[string]string {
	out := map[string]string{}
	for _, b := range m.buttons() {
		if _, found := out[b.ActionID]; !found {
			out[b.ActionID] = b.Value
		}
	}
	return out
}

type placedButton struct {
	slackButton
	blockID string
}

func (m SlackMessage) buttons() []placedButton {
	lists := []json.RawMessage{m.Blocks}
	var attachments []struct{ Blocks json.RawMessage }
	_ = json.Unmarshal(m.Attachments, &attachments) // was checked when it came
	for _, a := range attachments {
		lists = append(lists, a.Blocks)
	}
	var out []placedButton
	for _, raw := range lists {
		var blocks []slackBlock
		_ = json.Unmarshal(raw, &blocks)
		for _, b := range blocks {
			if b.Type != "actions" {
				continue
			}
			for _, e := range b.Elements {
				var button slackButton
				if json.Unmarshal(e, &button) == nil {
					out = append(out, placedButton{button, b.BlockID})
				}
			}
		}
	}
	return out
}

var (
	slackControl = regexp.MustCompile(`<[!@#][^>]*>|<[^<>|\s]+\|[^>]*>|<[a-z]+:[^>]*>`)
	slackBare    = regexp.MustCompile(`(?i)@(channel|here|everyone)\b`)
)

// Live returns everything in a message that Slack would bring to life: mentions
// that ring, links with a text of their own. It looks at every string of it,
// the fallback texts included.
func (m SlackMessage) Live() []string {
	out := liveIn(m.Text, m.Lively)
	for _, raw := range []json.RawMessage{m.Blocks, m.Attachments} {
		var v any
		if json.Unmarshal(raw, &v) == nil {
			out = append(out, liveStrings(v)...)
		}
	}
	return out
}

func liveStrings(v any) []string {
	var out []string
	switch v := v.(type) {
	case string:
		return liveIn(v, false)
	case []any:
		for _, e := range v {
			out = append(out, liveStrings(e)...)
		}
	case map[string]any:
		// A markdown text that is not verbatim has its names and links found.
		text, isText := v["text"].(string)
		if verbatim, _ := v["verbatim"].(bool); isText && v["type"] == "mrkdwn" && !verbatim {
			out = append(out, slackBare.FindAllString(text, -1)...)
		}
		for _, e := range v {
			out = append(out, liveStrings(e)...)
		}
	}
	return out
}

func liveIn(text string, lively bool) []string {
	out := slackControl.FindAllString(text, -1)
	if lively {
		out = append(out, slackBare.FindAllString(text, -1)...)
	}
	return out
}

// Plain returns a text as people read it, with Slack's escapes undone.
func Plain(text string) string {
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(text)
}
