package vendortest

import (
	"crypto/tls"
	"crypto/x509"
	"sync/atomic"
	"time"
)

// An Identity is what a server shows when TLS begins: its certificate, or, on
// request, one that nobody should take for it.
type Identity struct {
	right, wrong tls.Certificate
	lies         atomic.Bool
}

// NewIdentity makes one for a host, with the pool that trusts it.
func NewIdentity(at time.Time, host string) (*Identity, *x509.CertPool, error) {
	right, pool, err := TestCertificate(at, host)
	if err != nil {
		return nil, nil, err
	}
	wrong, _, err := TestCertificate(at, "somebody.else.example")
	if err != nil {
		return nil, nil, err
	}
	return &Identity{right: right, wrong: wrong}, pool, nil
}

// Lie lets the server show the wrong certificate from now on, or the right one.
func (i *Identity) Lie(lies bool) { i.lies.Store(lies) }

// Leaf is the right certificate.
func (i *Identity) Leaf() *x509.Certificate { return i.right.Leaf }

// TLS is the server's configuration.
func (i *Identity) TLS() *tls.Config {
	return &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
		if i.lies.Load() {
			return &i.wrong, nil
		}
		return &i.right, nil
	}}
}
