package wire

import (
	"net/netip"
	"time"
)

// Forbids asks the guard alone.
func Forbids(allow []netip.Prefix, a netip.Addr) string {
	return guard{open: allow}.forbids(a)
}

// RetryAfter reads a header.
func RetryAfter(s string, now time.Time) time.Duration { return retryAfter(s, now) }
