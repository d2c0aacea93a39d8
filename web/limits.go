package web

import (
	"net/http"
	"time"
)

// Sizes of bodies in bytes, decompressed.
const (
	maxEvents    = 4 << 20
	maxPagerDuty = 512 << 10 // as PagerDuty has it
	maxLogs      = 32 << 20
	maxReport    = 32 << 20 // 10,000 findings of a gate, with their stacks
	maxOther     = 1 << 20
)

// maxLogBodies is how many bodies of the log shippers of one organization, and how
// many reports of its gates, are in memory at a time; its others wait, so that a few bombs cannot take all the
// memory there is.
const maxLogBodies = 4

// Server returns a server for h with limits that a slow or hostile client
// cannot stretch: five seconds for the headers and 32 KiB of them, a minute for
// the whole request, a minute and a half for the answer.
func Server(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       time.Minute,
		WriteTimeout:      90 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    32 << 10,
		HTTP2:             &http.HTTP2Config{MaxConcurrentStreams: 100},
	}
}
