// Package wire is the only code of Muster that touches the network as a
// client. It sends a request once and says what the answer means: done, refused
// (trying again is of no use), later (the other side named a time) or failed
// (worth another try).
//
// It knows which addresses are forbidden, how long an exchange and how large an
// answer may be, and how to keep secrets out of errors. It does not know any
// vendor's API, it never sleeps and never tries again: "later" goes back to
// whoever asked, who owns the clock.
package wire
