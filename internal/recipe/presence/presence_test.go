package presence_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/zkrecipes/zkrecipes/internal/recipe/presence"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file run on the servers that ZKTEST selects.

func TestAnnounceUpdateWithdraw(t *testing.T) {
	target := zktest.Open(t)
	s, o := target.Session(t), target.Session(t)
	p := announce(t, s, presence.Node{Data: []byte("one")})
	st := wants(t, o, s, "one")
	if token, owner := p.Token(); token != st.Czxid || owner != st.EphemeralOwner || p.Path() != path {
		t.Errorf("Token is %v of session 0x%x at %s", token, owner, p.Path())
	}
	update(t, p, "two")
	update(t, p, "")
	update(t, p, "three")
	if again := wants(t, o, s, "three"); again.Czxid != st.Czxid || again.Version != 3 {
		t.Errorf("the node was created again, or written in another way: %+v", again)
	}
	if err := p.Err(); err != nil {
		t.Errorf("announced, and Err is %v", err)
	}
	withdraw(t, p)
	wantsAbsence(t, o)
	withdraw(t, p)
	if err := p.Err(); !errors.Is(err, presence.ErrWithdrawn) {
		t.Errorf("withdrawn, and Err is %v", err)
	}
	if err := p.Update(t.Context(), nil); !errors.Is(err, presence.ErrWithdrawn) {
		t.Errorf("Update after Withdraw: %v", err)
	}
	wantsAbsence(t, o)
}

// A second announcement of a node in one session fails.
func TestAnnouncedTwice(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	mine := errors.New("mine")
	p := announce(t, s, presence.Node{})
	if _, err := presence.Announce(t.Context(), s, presence.Node{Path: path, Errors: presence.Errors{Duplicate: mine}}); !errors.Is(err, mine) {
		t.Errorf("a second announcement: %v", err)
	}
	wants(t, s, s, "")
	withdraw(t, p)
	withdraw(t, announce(t, s, presence.Node{}))

	// A node that the session has created in another way is not taken over either.
	if _, _, err := s.Create(t.Context(), path, []byte("x"), session.Ephemeral()); err != nil {
		t.Fatal(err)
	}
	if _, err := presence.Announce(t.Context(), s, presence.Node{Path: path, IfExists: presence.Replace}); !errors.Is(err, presence.ErrDuplicate) {
		t.Errorf("announcement of a node of this session: %v", err)
	}
	wants(t, s, s, "x")
}

// Announce waits while another session owns the node. If its context is done first,
// the error names that session.
func TestAwait(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	other := announce(t, a, presence.Node{Data: []byte("a")})
	// The wait must be long enough for a read of the node.
	for wait := time.Millisecond; ; wait *= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		_, err := presence.Announce(ctx, b, presence.Node{Path: path})
		cancel()
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("Announce of another session's node: %v", err)
		}
		if errors.Is(err, presence.ErrOccupied) && strings.Contains(err.Error(), fmt.Sprintf("0x%x", a.Status().ID)) {
			break
		}
		if wait > testkit.Limit {
			t.Fatalf("Announce of another session's node, after %v: %v", wait, err)
		}
	}
	wants(t, b, a, "a")

	ended := make(chan *presence.Announcement)
	go func() { ended <- announce(t, b, presence.Node{Data: []byte("b")}) }()
	update(t, other, "a again")
	withdraw(t, other)
	p := <-ended
	wants(t, a, b, "b")
	withdraw(t, p)
}

func TestRefuse(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	mine := errors.New("mine")
	other := announce(t, a, presence.Node{Data: []byte("a")})
	n := presence.Node{Path: path, Data: []byte("b"), IfExists: presence.Refuse, Errors: presence.Errors{Occupied: mine}}
	if _, err := presence.Announce(context.Background(), b, n); !errors.Is(err, mine) {
		t.Errorf("Announce of another session's node: %v", err)
	}
	wants(t, b, a, "a")
	withdraw(t, other)
	if err := b.Sync(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	withdraw(t, announce(t, b, n))
}

func TestReplace(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	other := announce(t, a, presence.Node{Data: []byte("a")})
	p := announce(t, b, presence.Node{Data: []byte("b"), IfExists: presence.Replace})
	st := wants(t, a, b, "b")
	if token, _ := p.Token(); token != st.Czxid {
		t.Errorf("the token is %v of a node made by %v", token, st.Czxid)
	}
	testkit.AwaitErr(t, other, func(err error) bool { return errors.Is(err, presence.ErrOccupied) })
	update(t, p, "b again")
	withdraw(t, p)
	testkit.AwaitErr(t, other, testkit.IsNil)
	wants(t, b, a, "a")
	withdraw(t, other)

	if _, _, err := a.Create(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	p = announce(t, b, presence.Node{Data: []byte("b"), IfExists: presence.Replace})
	wants(t, a, b, "b")
	withdraw(t, p)
}

// A persistent node blocks an announcement permanently.
func TestPersistentNodeInTheWay(t *testing.T) {
	s := zktest.Open(t).Session(t)
	for _, kind := range []session.CreateOption{session.Parents(), session.Container()} {
		if _, _, err := s.Create(t.Context(), path, []byte("x"), session.Parents(), kind); err != nil {
			t.Fatal(err)
		}
		if _, err := presence.Announce(context.Background(), s, presence.Node{Path: path}); !errors.Is(err, presence.ErrOccupied) || !strings.Contains(err.Error(), "not ephemeral") {
			t.Errorf("Announce: %v", err)
		}
		if data, _, err := s.Get(t.Context(), path); err != nil || string(data) != "x" {
			t.Errorf("the node holds %q (%v)", data, err)
		}
		if err := s.Delete(t.Context(), path, session.AnyVersion); err != nil {
			t.Fatal(err)
		}
	}
	if _, _, err := s.Create(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Create(t.Context(), path+"/child", nil); err != nil {
		t.Fatal(err)
	}
	n := presence.Node{Path: path, IfExists: presence.Replace}
	if _, err := presence.Announce(context.Background(), s, n); !errors.Is(err, session.ErrNotEmpty) {
		t.Errorf("Announce at a node with children: %v", err)
	}
}

func TestOperatorDeletesNode(t *testing.T) {
	target := zktest.Open(t)
	s, o := target.Session(t), target.Session(t)
	p := announce(t, s, presence.Node{Data: []byte("one")})
	for range 3 {
		token, _ := p.Token()
		if err := o.Delete(t.Context(), path, session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		testkit.AwaitErr(t, p, func(err error) bool { next, _ := p.Token(); return err == nil && next > token })
		wants(t, o, s, "one")
	}
	// Data that another client writes into it stays.
	if _, err := o.Set(t.Context(), path, []byte("foreign"), session.AnyVersion); err != nil {
		t.Fatal(err)
	}
	wants(t, o, s, "foreign")
	update(t, p, "two")
	wants(t, o, s, "two")
	withdraw(t, p)
}

// Curator's fault 3.13: its leader latch does not create its node again after all
// nodes were deleted.
func TestBasePathWiped(t *testing.T) {
	target := zktest.Open(t)
	s, o := target.Session(t), target.Session(t)
	p := announce(t, s, presence.Node{Data: []byte("one")})
	token, _ := p.Token()
	for _, node := range []string{path, "/app"} {
		if err := o.Delete(t.Context(), node, session.AnyVersion); err != nil && !errors.Is(err, session.ErrNotEmpty) {
			t.Fatal(err)
		}
	}
	testkit.AwaitErr(t, p, func(err error) bool { next, _ := p.Token(); return err == nil && next > token })
	wants(t, o, s, "one")
	withdraw(t, p)
}

// Errors that retries cannot solve are returned immediately. Announce would otherwise
// retry without limit, because its context does not end.
func TestPermanentErrors(t *testing.T) {
	s := zktest.Open(t).Session(t)
	readOnly := session.ACLs(session.ACL{Perms: session.PermRead, Scheme: "world", ID: "anyone"})
	if _, _, err := s.Create(t.Context(), "/locked", nil, readOnly); err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Create(t.Context(), "/ephemeral", nil, session.Ephemeral()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		node presence.Node
		want error
	}{
		{presence.Node{Path: "/locked/a"}, session.ErrNoAuth},
		{presence.Node{Path: "/locked/b/c"}, session.ErrNoAuth},
		{presence.Node{Path: "/app/a", ACL: []session.ACL{}}, session.ErrInvalidACL},
		{presence.Node{Path: "/app/a", ACL: []session.ACL{{Perms: session.PermAll, Scheme: "nonsense", ID: "x"}}}, session.ErrInvalidACL},
		{presence.Node{Path: "/ephemeral/a"}, session.ErrNoChildrenForEphemerals},
		{presence.Node{Path: ""}, session.ErrInvalid},
		{presence.Node{Path: "a"}, session.ErrInvalid},
		{presence.Node{Path: "/a//b"}, session.ErrInvalid},
		{presence.Node{Path: "/app/a", Data: make([]byte, 1<<20)}, session.ErrInvalid},
	} {
		var oe *session.OpError
		if _, err := presence.Announce(context.Background(), s, c.node); !errors.Is(err, c.want) || !errors.As(err, &oe) {
			t.Errorf("Announce at %q: %v", c.node.Path, err)
		}
	}

	p := announce(t, s, presence.Node{Data: []byte("small"), ACL: []session.ACL{{Perms: session.PermRead, Scheme: "world", ID: "anyone"}}})
	if err := p.Update(context.Background(), make([]byte, 1<<20)); !errors.Is(err, session.ErrInvalid) || p.Err() != nil {
		t.Errorf("Update with 1 MB: %v, and Err is %v", err, p.Err())
	}
	wants(t, s, s, "small")
	if err := p.Update(context.Background(), []byte("x")); !errors.Is(err, session.ErrNoAuth) || !errors.Is(p.Err(), session.ErrNoAuth) {
		t.Errorf("Update of a node that may not be written to: %v, and Err is %v", err, p.Err())
	}
	withdraw(t, p)
}

// A node that may not be removed stays until the session ends, and Withdraw returns
// the refusal.
func TestWithdrawIsNotAllowed(t *testing.T) {
	s := zktest.Open(t).Session(t)
	acl := session.ACLs(session.ACL{Perms: session.PermCreate | session.PermRead, Scheme: "world", ID: "anyone"})
	if _, _, err := s.Create(t.Context(), "/app", nil, acl); err != nil {
		t.Fatal(err)
	}
	p := announce(t, s, presence.Node{})
	if err := p.Withdraw(context.Background()); !errors.Is(err, session.ErrNoAuth) {
		t.Errorf("Withdraw: %v", err)
	}
	if err := p.Withdraw(context.Background()); !errors.Is(err, session.ErrNoAuth) {
		t.Errorf("Withdraw again: %v", err)
	}
}

func TestClose(t *testing.T) {
	target := zktest.Open(t)
	s, o := target.Session(t), target.Session(t)
	p := announce(t, s, presence.Node{})
	other := announce(t, o, presence.Node{Path: "/app/other"})
	waiting := make(chan error)
	go func() {
		_, err := presence.Announce(context.Background(), s, presence.Node{Path: "/app/other"})
		waiting <- err
	}()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-waiting; !errors.Is(err, session.ErrClosed) {
		t.Errorf("an Announce that waited: %v", err)
	}
	if err := p.Err(); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Err is %v", err)
	}
	if err := p.Update(context.Background(), nil); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Update: %v", err)
	}
	withdraw(t, p)
	wantsAbsence(t, o)
	if _, err := presence.Announce(context.Background(), s, presence.Node{Path: path}); !errors.Is(err, session.ErrClosed) {
		t.Errorf("Announce: %v", err)
	}
	withdraw(t, other)
}

// Curator's fault 3.24: waits that time out leave watches on the server.
func TestTimedOutWaitsLeaveNothing(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	before := goleak.IgnoreCurrent()
	other := announce(t, a, presence.Node{})
	for range 200 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		if _, err := presence.Announce(ctx, b, presence.Node{Path: path}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Announce: %v", err)
		}
		cancel()
	}
	withdraw(t, other)
	p := announce(t, b, presence.Node{}) // is announced after all of them
	withdraw(t, p)
	for _, s := range []*session.Session{a, b} {
		if err := s.Sync(t.Context(), "/"); err != nil {
			t.Fatal(err)
		}
	}
	if n := target.WatchesLeft(t); n != 0 {
		t.Errorf("%d watches are left", n)
	}
	if n := target.Ephemerals(t); n != 0 {
		t.Errorf("%d nodes are left", n)
	}
	for _, s := range []*session.Session{a, b} {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	goleak.VerifyNone(t, before)
}
