package wire

import (
	"fmt"
	"net/netip"
	"net/url"
	"syscall"
)

// A closed range is one that no tenant may reach unless it was opened.
type closed struct {
	prefix netip.Prefix
	name   string
}

// closedRanges follows the IANA special-purpose address registries for IPv4
// (RFC 6890) and IPv6. Of IPv6 everything outside 2000::/3 is closed besides;
// the names below make for better errors.
var closedRanges = []closed{
	{netip.MustParsePrefix("0.0.0.0/8"), "this host"},
	{netip.MustParsePrefix("10.0.0.0/8"), "private"},
	{netip.MustParsePrefix("100.64.0.0/10"), "carrier-grade NAT"},
	{netip.MustParsePrefix("127.0.0.0/8"), "loopback"},
	{netip.MustParsePrefix("169.254.0.0/16"), "link-local"},
	{netip.MustParsePrefix("172.16.0.0/12"), "private"},
	{netip.MustParsePrefix("192.0.0.0/24"), "protocol assignments"},
	{netip.MustParsePrefix("192.0.2.0/24"), "documentation"},
	{netip.MustParsePrefix("192.88.99.0/24"), "6to4 relay"},
	{netip.MustParsePrefix("192.168.0.0/16"), "private"},
	{netip.MustParsePrefix("198.18.0.0/15"), "benchmarking"},
	{netip.MustParsePrefix("198.51.100.0/24"), "documentation"},
	{netip.MustParsePrefix("203.0.113.0/24"), "documentation"},
	{netip.MustParsePrefix("224.0.0.0/4"), "multicast"},
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},

	{netip.MustParsePrefix("::/128"), "this host"},
	{netip.MustParsePrefix("::1/128"), "loopback"},
	{netip.MustParsePrefix("64:ff9b::/96"), "NAT64"},
	{netip.MustParsePrefix("64:ff9b:1::/48"), "NAT64"},
	{netip.MustParsePrefix("100::/64"), "discard"},
	{netip.MustParsePrefix("2001::/23"), "protocol assignments"}, // Teredo among them, which holds an IPv4 address
	{netip.MustParsePrefix("2001:db8::/32"), "documentation"},
	{netip.MustParsePrefix("2002::/16"), "6to4"},
	{netip.MustParsePrefix("3fff::/20"), "documentation"},
	{netip.MustParsePrefix("fc00::/7"), "unique local"},
	{netip.MustParsePrefix("fe80::/10"), "link-local"},
	{netip.MustParsePrefix("fec0::/10"), "site-local"},
	{netip.MustParsePrefix("ff00::/8"), "multicast"},
}

var globalIPv6 = netip.MustParsePrefix("2000::/3")

// A guard looks at the address of each connection before it is made.
type guard struct{ open []netip.Prefix }

// control is called by net.Dialer after names were resolved, for each attempt,
// with the address that the kernel is about to connect to. A name that
// resolves to something else the second time gains nothing.
func (g guard) control(_, address string, _ syscall.RawConn) error {
	ap, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: address: %w", ErrRefused, err)
	}
	if why := g.forbids(ap.Addr()); why != "" {
		return fmt.Errorf("%w: address %s is forbidden (%s)", ErrRefused, ap.Addr(), why)
	}
	return nil
}

// forbids returns why an address is closed, or "".
func (g guard) forbids(a netip.Addr) string {
	mapped := a.Is4In6()
	a = a.Unmap().WithZone("") // a prefix contains no address that has a zone
	for _, p := range g.open {
		if p.Addr().Is4In6() && p.Bits() >= 96 { // written as ::ffff:10.0.0.0/104
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		if p.Contains(a) {
			return ""
		}
	}
	for _, c := range closedRanges {
		if c.prefix.Contains(a) {
			return c.name
		}
	}
	switch {
	case mapped:
		return "IPv4-mapped"
	case a.Is6() && !globalIPv6.Contains(a):
		return "not a global address"
	}
	return ""
}

// checkURL refuses what net/http would try to make sense of.
func (c *Client) checkURL(u *url.URL) error {
	switch {
	case u == nil || u.Host == "" || u.Hostname() == "":
		return fmt.Errorf("%w: url: no host", ErrRefused)
	case u.Scheme != "http" && u.Scheme != "https":
		return fmt.Errorf("%w: url: scheme %q is neither http nor https", ErrRefused, u.Scheme)
	}
	return nil
}
