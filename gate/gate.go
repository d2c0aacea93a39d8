// Package gate judges what test runs leave behind: it reads the reports of
// Valgrind, the sanitizers, the race detector, test runners and analysers into
// findings, gives each a fingerprint that survives edits, and decides with a
// baseline and a budget whether the code may leave CI. It fails closed: a report
// that does not say everything fails the gate, and the reason says why.
//
// One file per format reads (read_*.go, the list Formats), one per format writes
// (write_*.go, the list Outputs). The package is pure: files, processes and the
// environment are for cmd/muster, tickets for the engine.
package gate
