package session_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// certificate is a self-signed one for a name, and the pool that trusts it.
func certificate(t testing.TB, name string) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// encrypt puts TLS in front of a server.
func encrypt(t testing.TB, s *zktest.Server, cert tls.Certificate) session.DialFunc {
	var relays sync.WaitGroup
	t.Cleanup(relays.Wait)
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		backend, err := s.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		client, server := net.Pipe()
		secure := tls.Server(server, &tls.Config{Certificates: []tls.Certificate{cert}})
		relays.Go(func() {
			defer server.Close()
			io.Copy(secure, backend)
		})
		relays.Go(func() {
			defer backend.Close()
			io.Copy(backend, secure)
		})
		return client, nil
	}
}

// A server's certificate is checked against its name in the connect string,
// unless the configuration names another.
func TestTLS(t *testing.T) {
	tests := []struct {
		name    string
		connect string
		server  string // of the configuration
		refused bool
	}{
		{"name of the connect string", "zk1:2281", "", false},
		{"name of another server", "zk2:2281", "", true},
		{"name of the configuration", "10.0.0.1", "zk1", false},
		{"address", "10.0.0.1", "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t)
				cert, pool := certificate(t, "zk1")
				config := &tls.Config{RootCAs: pool, ServerName: tt.server}
				z, err := session.Connect(testkit.Within(t, timeout), tt.connect, session.WithDialer(encrypt(t, s, cert)), session.WithTLS(config))
				var mismatch x509.HostnameError
				if tt.refused {
					if !errors.As(err, &mismatch) {
						t.Errorf("error is %v", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				testkit.Create(t, z, "/n", "data")
				cutAll(t, s)
				if data, _, err := z.Get(testkit.Within(t, timeout), "/n"); err != nil || string(data) != "data" {
					t.Errorf("%q, %v", data, err)
				}
				if err := z.Close(testkit.Within(t, timeout)); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A server that sends nothing in the TLS handshake does not block the session.
func TestTLSHandshakeHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		silent := newFake(t, func(_ int, c *fakeConn) { io.Copy(io.Discard, c) })
		began := time.Now()
		_, err := session.Connect(testkit.Within(t, timeout), "zk", session.WithDialer(silent.DialContext), session.WithTLS(&tls.Config{}))
		testkit.WantError(t, err, context.DeadlineExceeded)
		if took := time.Since(began); took > timeout+time.Second {
			t.Errorf("took %v", took)
		}
		if silent.Dials() < 2 {
			t.Error("the first server held it up")
		}
	})
}
