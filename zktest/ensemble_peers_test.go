package zktest

import (
	"bytes"
	"testing"

	"github.com/zkrecipes/zkrecipes/zktest/internal/proxy"
)

func TestElectionAddress(t *testing.T) {
	p, err := proxy.New("127.0.0.1:1", proxy.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	f := electionAddress(&peerLink{election: p})
	message := func(version byte, addr string) []byte {
		b := bytes.Repeat([]byte{version}, 8)
		b = append(b, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, byte(len(addr)))
		return append(b, addr...)
	}
	got, err := f(bytes.NewReader(message(0xff, "127.0.0.1:3888")))
	if want := message(0xff, p.Addr()); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %q, %v, not %q", got, err, want)
	}
	old := []byte{0, 0, 0, 0, 0, 0, 0, 2}
	if got, err := f(bytes.NewReader(old)); err != nil || !bytes.Equal(got, old) {
		t.Errorf("a bare id became %q, %v", got, err)
	}
	if _, err := f(bytes.NewReader(message(0xff, "127.0.0.1:3888")[:25])); err == nil {
		t.Error("half a message passed")
	}
}
