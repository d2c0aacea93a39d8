// Package chat reads what chat systems send back: a pressed button becomes an
// Action, which the engine turns into the same commands as the API's.
//
// It knows how Slack signs and writes its callbacks. It does not know who the
// user is here, whether they may do it, or what the value of a button stands
// for; and it answers nothing itself.
package chat

// An Action is a pressed button, or one of two questions that the chat system
// asks to see whether we are there: see the constants.
type Action struct {
	Name        string // of the button: acknowledge, resolve, approve, reject
	Value       string // the button's opaque id, as we sent it
	UserID      string // U024BE7LH
	UserName    string // for people; hostile
	Channel     string // id
	MessageTS   string // of the message with the button
	ResponseURL string // takes an answer, five times in half an hour; may be ""
	TriggerID   string // opens a dialog, within three seconds
}

// The names of the actions that are no buttons.
const (
	// URLVerification wants Value back as the answer's body.
	URLVerification = "url_verification"
	// SSLCheck wants an empty answer 200.
	SSLCheck = "ssl_check"
)
