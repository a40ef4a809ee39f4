//go:build ensemble

package zktest

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// A leader that is cut off resumes sessions without its peers, a follower does not. Neither
// opens new sessions.
func TestCutOffServerReattaches(t *testing.T) {
	for _, who := range []string{"leader", "follower"} {
		t.Run(who, func(t *testing.T) {
			c := Ensemble(t, 3, WithSyncLimit(80)) // it takes long until the cut is noticed
			n, followers := roles(t, c)
			if who == "follower" {
				n = followers[0]
			}
			first := dial(t, n.Addr())
			n.CutPeers()
			first.closeConn()
			if who == "leader" {
				eventually(t, "the leader reattaches", func() bool {
					return reattach(t, n.Addr(), first.session.SessionID, first.session.Passwd) == nil
				})
			} else if err := reattach(t, n.Addr(), first.session.SessionID, first.session.Passwd); err == nil {
				t.Error("a follower reattaches")
			}
			if err := reattach(t, n.Addr(), 0, make([]byte, 16)); err == nil {
				t.Errorf("a new session at the %s", who)
			}
		})
	}
}

// reattach resumes a session, or opens a new one if id is 0. It returns an error if that
// takes longer than a second.
func reattach(t *testing.T, addr string, id int64, passwd []byte) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	t.Cleanup(func() { conn.Close() })
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	c := &rawClient{conn: conn}
	return c.handshake(&wire.ConnectRequest{Timeout: 10000, SessionID: id, Passwd: passwd})
}
