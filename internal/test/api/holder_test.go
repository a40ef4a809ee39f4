package api

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The error of a call that finds something taken names the holder, or says how much is
// taken. In the wanted texts SESSION is the holder's session.
func TestTakenNamesHolder(t *testing.T) {
	type env struct {
		t    *testing.T
		a, b *session.Session // of the holder, and of the call that fails
	}
	must := func(e env, err error) {
		e.t.Helper()
		if err != nil {
			e.t.Fatal(err)
		}
	}
	tests := map[string]struct {
		call func(e env) error
		is   error
		want string // a regular expression
	}{
		"lock.Mutex": {func(e env) error {
			_, err := lock.New(e.a, "/r", lock.WithID("web-3:4121")).Lock(e.t.Context())
			must(e, err)
			_, err = lock.New(e.b, "/r").TryLock(e.t.Context())
			return err
		}, lock.ErrLocked, `^lock: held by another owner: web-3:4121 \(/r/_c_[-0-9a-f]+-lock-0000000000\)$`},
		"lock.Mutex with three waiters": {func(e env) error {
			m := lock.New(e.a, "/r", lock.WithID("first"))
			_, err := m.Lock(e.t.Context())
			must(e, err)
			for range 3 {
				_, err := lock.New(e.a, "/r", lock.WithID("waiter")).Enter(e.t.Context())
				must(e, err)
			}
			_, err = lock.New(e.b, "/r").TryLock(e.t.Context())
			return err
		}, lock.ErrLocked, `another owner: first \(/r/.*-lock-0000000000\)$`},
		"lock.Mutex without an id": {func(e env) error {
			_, err := lock.New(e.a, "/r", lock.WithID("")).Lock(e.t.Context())
			must(e, err)
			_, err = lock.New(e.b, "/r").TryLock(e.t.Context())
			return err
		}, lock.ErrLocked, `another owner: /r/_c_.*-lock-0000000000$`},
		"lock.Mutex that was revoked": {func(e env) error {
			m := lock.New(e.a, "/r", lock.WithID("x"))
			_, err := m.Lock(e.t.Context())
			must(e, err)
			must(e, m.Revoke(e.t.Context()))
			_, err = lock.New(e.b, "/r").TryLock(e.t.Context())
			return err
		}, lock.ErrLocked, `another owner: /r/_c_.*-lock-0000000000$`},
		"lock.Mutex with handoff": {func(e env) error {
			m := lock.New(e.a, "/r", lock.WithLocalHandoff(2))
			_, err := m.Lock(e.t.Context())
			must(e, err)
			_, err = m.TryLock(e.t.Context())
			return err
		}, lock.ErrLocked, `^lock: held by another owner: a caller in this process$`},
		"lock.RWMutex": {func(e env) error {
			_, err := lock.NewRW(e.a, "/r", lock.WithID("writer")).Lock(e.t.Context())
			must(e, err)
			_, err = lock.NewRW(e.b, "/r").TryRLock(e.t.Context())
			return err
		}, lock.ErrLocked, `another owner: writer \(/r/`},
		"lock.Multi": {func(e env) error {
			_, err := lock.New(e.a, "/r/b", lock.WithID("x")).Lock(e.t.Context())
			must(e, err)
			_, err = lock.NewMulti(e.b, []string{"/r/a", "/r/b"}).TryLock(e.t.Context())
			return err
		}, lock.ErrLocked, `another owner: x \(/r/b/`},
		"lock.Semaphore": {func(e env) error {
			_, err := lock.NewSemaphore(e.a, "/r", 3).AcquireN(e.t.Context(), 2)
			must(e, err)
			_, err = lock.NewSemaphore(e.b, "/r", 3).TryAcquireN(e.t.Context(), 2)
			return err
		}, lock.ErrLocked, `^lock: not enough permits are free: want 2, 2 of 3 are taken$`},
		"election": {func(e env) error {
			_, err := election.New(e.a, "/r", election.WithID("a"), election.WithData([]byte("more"))).Campaign(e.t.Context())
			must(e, err)
			_, err = election.New(e.b, "/r").TryCampaign(e.t.Context())
			return err
		}, election.ErrOtherLeader, `^election: another candidate leads: a \(/r/.*-latch-0000000000\)$`},
		"election with a fixed node": {func(e env) error {
			_, err := election.New(e.a, "/r", election.WithID("a"), election.WithFixedNode("master")).Campaign(e.t.Context())
			must(e, err)
			_, err = election.New(e.b, "/r", election.WithFixedNode("master")).TryCampaign(e.t.Context())
			return err
		}, election.ErrOtherLeader, `^election: another candidate leads: a \(/r/master\)$`},
		"naming.Slots": {func(e env) error {
			_, err := naming.NewSlots(e.a, "/r", 1).Acquire(e.t.Context())
			must(e, err)
			_, err = naming.NewSlots(e.b, "/r", 1).TryAcquire(e.t.Context())
			return err
		}, naming.ErrTaken, `^naming: acquire a slot at /r: every slot is taken: 1 of 1 are held$`},
		"naming.Directory, permanent": {func(e env) error {
			must(e, naming.NewDirectory(e.a, "/r").Bind(e.t.Context(), "x", []byte("v")))
			return naming.NewDirectory(e.b, "/r").Bind(e.t.Context(), "x", []byte("v"))
		}, naming.ErrBound, `^naming: bind /r/x: name is bound: permanently, by transaction \d+$`},
		"naming.Directory, ephemeral": {func(e env) error {
			must(e, naming.NewDirectory(e.a, "/r").Bind(e.t.Context(), "x", []byte("v"), naming.WithEphemeral()))
			return naming.NewDirectory(e.b, "/r").Bind(e.t.Context(), "x", []byte("v"))
		}, naming.ErrBound, `name is bound: session SESSION owns the node$`},
		"naming.Directory, own": {func(e env) error {
			d := naming.NewDirectory(e.a, "/r")
			must(e, d.Bind(e.t.Context(), "x", []byte("v"), naming.WithEphemeral()))
			return d.Bind(e.t.Context(), "x", []byte("v"), naming.WithEphemeral())
		}, naming.ErrBound, `name is bound: by this Directory$`},
		"naming.Directory, link": {func(e env) error {
			must(e, naming.NewDirectory(e.a, "/r").Link(e.t.Context(), "x", "y"))
			return naming.NewDirectory(e.b, "/r").Bind(e.t.Context(), "x", []byte("v"))
		}, naming.ErrBound, `name is bound: it is a link to y$`},
		"membership": {func(e env) error {
			_, err := membership.New(e.a, "/r").Join(e.t.Context(), "x", nil)
			must(e, err)
			ctx, cancel := context.WithTimeout(e.t.Context(), time.Second)
			defer cancel()
			_, err = membership.New(e.b, "/r").Join(ctx, "x", nil)
			return err
		}, membership.ErrTaken, `session SESSION owns the node`},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				e := env{t, srv.Session(t), srv.Session(t)}
				testkit.Create(t, e.a, "/r", "")
				err := tt.call(e)
				if !errors.Is(err, tt.is) {
					t.Fatalf("error %v, want %v", err, tt.is)
				}
				want := regexp.MustCompile("SESSION").ReplaceAllString(tt.want, fmt.Sprintf("%#x", e.a.Status().ID))
				if !regexp.MustCompile(want).MatchString(err.Error()) {
					t.Errorf("error %q, want %s", err, want)
				}
			})
		})
	}
}
