package notify

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/musterhq/muster/internal/wire"
)

// slackWire lets the SDK speak over wire. It judges the answers itself, since
// the SDK drops the Retry-After of a 503, and takes {} for success.
type slackWire struct {
	w       *wire.Client
	secrets []string
}

func (s slackWire) Do(req *http.Request) (*http.Response, error) {
	r, err := s.w.Do(req, s.secrets...)
	if err != nil {
		return nil, err
	}
	if err := s.judge(r); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: r.Status, Header: r.Header, Request: req,
		Body: io.NopCloser(bytes.NewReader(r.Body)), ContentLength: int64(len(r.Body)),
	}, nil
}

// A slackError is an answer with "ok": false.
type slackError struct{ code, detail string }

func (e slackError) Error() string {
	if e.detail == "" {
		return fmt.Sprintf("%q", e.code)
	}
	return fmt.Sprintf("%q (%q)", e.code, e.detail)
}

// judge reads "ok" and "error", for Slack answers 200 to most failures.
func (s slackWire) judge(r wire.Response) error {
	var a struct {
		OK       *bool
		Error    string
		Metadata struct{ Messages []string } `json:"response_metadata"`
	}
	if err := json.Unmarshal(r.Body, &a); err != nil {
		return fmt.Errorf("answer is not JSON: %q", wire.Excerpt(string(r.Body), 100, s.secrets...))
	}
	switch {
	case a.OK == nil:
		return errors.New(`answer without "ok"`)
	case *a.OK:
		return nil
	}
	e := slackError{code: wire.Excerpt(a.Error, 64, s.secrets...)}
	if len(a.Metadata.Messages) > 0 {
		e.detail = wire.Excerpt(a.Metadata.Messages[0], 200, s.secrets...)
	}
	switch {
	case e.code == "ratelimited" || e.code == "rate_limited":
		var later wire.Later
		if errors.As(s.w.Judge(http.StatusTooManyRequests, r.Header), &later) {
			return wire.Later{After: later.After, Err: e}
		}
		return wire.Later{After: 10 * time.Second, Err: e} // Slack names no time here
	case slices.Contains(slackFinal, e.code):
		return fmt.Errorf("%w: %w", wire.ErrRefused, e)
	default: // unknown: fail towards trying again
		return e
	}
}

// slackFinal are the errors of chat.postMessage and chat.update, and those
// common to all methods, that only a change of the settings or of the message
// can cure. From the errors listed at docs.slack.dev/reference/methods.
var slackFinal = []string{
	"access_denied", "account_inactive", "app_missing_action_url", "as_user_not_supported", "block_mismatch",
	"cannot_reply_to_message", "cant_broadcast_message", "cant_update_message", "channel_not_found",
	"channel_type_not_supported", "deprecated_endpoint", "duplicate_channel_not_found", "edit_window_closed",
	"ekm_access_denied", "enterprise_is_restricted", "external_channel_migrating", "invalid_arg_name", "invalid_arguments",
	"invalid_array_arg", "invalid_attachments", "invalid_auth", "invalid_blocks", "invalid_blocks_format",
	"invalid_charset", "invalid_form_data", "invalid_metadata_format", "invalid_metadata_schema",
	"invalid_post_type", "is_archived", "is_inactive", "message_not_found", "messages_tab_disabled",
	"metadata_must_be_sent_from_app", "metadata_too_large", "method_deprecated", "missing_post_type",
	"missing_scope", "msg_blocks_too_long", "msg_too_long", "no_permission", "no_text", "not_allowed_token_type",
	"not_authed", "not_in_channel", "org_login_required", "restricted_action", "restricted_action_non_threadable_channel",
	"restricted_action_read_only_channel", "restricted_action_thread_locked", "restricted_action_thread_only_channel",
	"team_access_not_granted", "team_not_found", "token_expired", "token_revoked", "too_many_attachments",
	"two_factor_setup_required", "user_not_found", "users_not_found",
}

// badCard says that Slack took exception to the card and not to the message.
func badCard(err error) bool {
	return hasCode(err, "invalid_blocks", "invalid_blocks_format", "invalid_attachments", "too_many_attachments",
		"msg_too_long", "msg_blocks_too_long", "block_mismatch",
		"invalid_metadata_format", "invalid_metadata_schema", "metadata_too_large")
}

// gone says that the message to be edited is no longer there, or no longer ours.
func gone(err error) bool {
	return hasCode(err, "message_not_found", "cant_update_message", "channel_not_found")
}

func hasCode(err error, codes ...string) bool {
	var e slackError
	return errors.As(err, &e) && slices.Contains(codes, e.code)
}
