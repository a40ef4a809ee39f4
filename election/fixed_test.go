package election_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file run on the servers that ZKTEST selects.

var fixed = forms[1]

// foreign is a program that elects by one node with go-zookeeper alone.
type foreign struct {
	conn *zk.Conn
	node string
}

func newForeign(t testing.TB, target *zktest.Target) *foreign {
	conn, _, err := zk.Connect(strings.Split(target.Hosts(), ","), 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return &foreign{conn, target.Root() + path + "/master"}
}

// elect creates the node. If the node exists, it waits until the node is deleted and
// tries again.
func (f *foreign) elect() error {
	for {
		_, err := f.conn.Create(f.node, []byte("foreign"), zk.FlagEphemeral, zk.WorldACL(zk.PermAll))
		if !errors.Is(err, zk.ErrNodeExists) {
			return err
		}
		for {
			exists, _, events, err := f.conn.ExistsW(f.node)
			if err != nil {
				return err
			}
			if !exists || (<-events).Type == zk.EventNodeDeleted {
				break
			}
		}
	}
}

func (f *foreign) resign() error { return f.conn.Delete(f.node, -1) }

func TestFixedWithForeignPrograms(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	if _, _, err := a.Create(t.Context(), path, nil, session.Parents()); err != nil { // the programs expect it to exist
		t.Fatal(err)
	}
	var leading sync.Mutex
	lead := func(who string) {
		if !leading.TryLock() {
			t.Errorf("%s leads although there is a leader", who)
			return
		}
		leading.Unlock()
	}
	var all sync.WaitGroup
	for _, s := range []*session.Session{a, b} {
		all.Go(func() {
			for range 10 {
				term := campaign(t, fixed.election(s, "ours"))
				lead("ours")
				proclaim(t, term, "ours")
				if err := term.Resign(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	for range 2 {
		theirs := newForeign(t, target)
		all.Go(func() {
			for range 10 {
				if err := theirs.elect(); err != nil {
					t.Errorf("foreign: %v", err)
					return
				}
				lead("foreign")
				if err := theirs.resign(); err != nil {
					t.Errorf("foreign: %v", err)
				}
			}
		})
	}
	all.Wait()
	nothingLeft(t, target, a, b)
}

// The data of a foreign program, up to the first newline, is the leader's id.
func TestFixedForeignLeader(t *testing.T) {
	target := zktest.Open(t)
	c := connect(t, target)
	e := fixed.election(c.Session, "ours")
	for _, l := range []struct{ node, id, data string }{
		{"10.0.0.1:80", "10.0.0.1:80", ""}, {"", "", ""}, {"a\nb\nc", "a", "b\nc"}, {"\n", "", ""},
	} {
		_, st, err := c.Create(t.Context(), path+"/master", []byte(l.node), session.Ephemeral(), session.Parents())
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Leader(t.Context())
		if err != nil || got.ID != l.id || string(got.Data) != l.data || (got.Data == nil) == strings.Contains(l.node, "\n") || got.Token != st.Czxid {
			t.Errorf("of the node %q: %+v (%v)", l.node, got, err)
		}
		o := observe(t, e)
		o.wants(l.id, l.data, st.Czxid) // even if only the token is set
		if err := c.Delete(t.Context(), path+"/master", session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		o.wantsVacancy()
		o.stop()
	}
}

// A campaign waits for a node that is not ours, of any creator, and never changes it:
// not in the campaign, not at its cancellation, and not after it has replaced ours.
func TestFixedLeavesForeignNodes(t *testing.T) {
	target := zktest.Open(t)
	c := connect(t, target)
	e := fixed.election(c.Session, "ours")
	const node = path + "/master"
	_, made, err := c.Create(t.Context(), node, []byte("persistent"), session.Parents())
	if err != nil {
		t.Fatal(err)
	}
	untouched := func() {
		t.Helper()
		data, st, err := c.Get(t.Context(), node)
		if err != nil || string(data) != "persistent" || st.Mzxid != made.Mzxid {
			t.Errorf("the foreign node holds %q since %v (%v)", data, st.Mzxid, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() {
		_, err := e.Campaign(ctx)
		ended <- err
	}()
	fixed.contend(t, 1, c)
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("Campaign: %v", err)
	}
	untouched()

	won := campaigning(t, e)
	fixed.contend(t, 2, c)
	if err := c.Delete(t.Context(), node, session.AnyVersion); err != nil {
		t.Fatal(err)
	}
	term := <-won
	if err := c.Delete(t.Context(), node, session.AnyVersion); err != nil {
		t.Fatal(err)
	}
	if _, made, err = c.Create(t.Context(), node, []byte("persistent")); err != nil {
		t.Fatal(err)
	}
	if err := term.Resign(t.Context()); err != nil && !errors.Is(err, election.ErrLost) {
		t.Errorf("Resign: %v", err)
	}
	if err := c.Sync(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	untouched()
}
