package main

import (
	"crypto/tls"
	"crypto/x509"
	"os"
)

// tlsFiles are the flags for TLS.
type tlsFiles struct{ ca, cert, key, serverName string }

// config returns the TLS configuration, or nil if none of the flags is given.
func (f tlsFiles) config() (*tls.Config, error) {
	if f == (tlsFiles{}) {
		return nil, nil
	}
	if (f.cert == "") != (f.key == "") {
		return nil, usage("--tls-cert and --tls-key go together")
	}
	conf := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.serverName}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, usage("no certificate in %s", f.ca)
		}
	}
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, err
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}
