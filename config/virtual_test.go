package config_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file need faults or virtual time, and so the embedded
// server.

// Curator's fault 3.1: a counter whose reply is lost counts twice, or says that it
// has not counted. The replies to every k-th write are lost while many add.
func TestLostRepliesAreCountedOnce(t *testing.T) {
	for k := 1; k <= 5; k++ {
		t.Run(fmt.Sprintf("every %d", k), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				writes := 0
				lost := make(map[int64]int) // by session, since the last write that passed
				defer srv.Fault(func(r zktest.Request) zktest.Fault {
					switch r.Op {
					case "multi", "setData", "create", "create2":
						if r.Path == "/" { // a proof of the session
							return zktest.Pass
						}
						// A session that lost every reply would give up; see session.ErrRejected.
						if writes++; writes%k == 0 && lost[r.Session] < 2 {
							lost[r.Session]++
							return zktest.DropReply
						}
						lost[r.Session] = 0
					}
					return zktest.Pass
				})()
				const clients, times = 5, 10
				var successes atomic.Int32
				var all sync.WaitGroup
				for range clients {
					v := openOr(t, srv.Session(t), limits{})
					all.Go(func() {
						for range times {
							if _, err := v.Update(t.Context(), add(1)); err != nil {
								t.Error(err) // ErrUnknown would be honest, but no session has ended
								continue
							}
							successes.Add(1)
						}
					})
				}
				all.Wait()
				stored, err := config.Get(t.Context(), srv.Session(t), path, checked)
				if err != nil || stored.Value.Rate != int(successes.Load()) {
					t.Errorf("%d were reported, and %d counted (%v)", successes.Load(), stored.Value.Rate, err)
				}
				if int(stored.Version) != stored.Value.Rate-1 {
					t.Errorf("version %d of %d", stored.Version, stored.Value.Rate)
				}
			})
		})
	}
}

// Requests and replies are lost and sessions end at random: what is reported to be
// done is done once, and what is done beyond that has been reported as unknown.
func TestUpdatesUnderRandomFaults(t *testing.T) {
	unknowns := 0
	for seed := range 20 {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t)
			views := make([]*config.Value[limits], 3)
			for i := range views {
				views[i] = openOr(t, srv.Session(t), limits{})
			}
			faults := []zktest.Fault{zktest.DropReply, zktest.Refuse, zktest.Cut, zktest.ExpireAfter, zktest.ExpireBefore}
			n := seed
			pass := srv.Fault(func(r zktest.Request) zktest.Fault {
				if n = (n*1103515245 + 12345) & 0x7fffffff; n>>8%6 == 0 {
					return faults[n>>16%len(faults)]
				}
				return zktest.Pass
			})
			var done, unknown atomic.Int32
			var all sync.WaitGroup
			for _, v := range views {
				all.Go(func() {
					for range 5 {
						switch _, err := v.Update(t.Context(), add(1)); {
						case err == nil:
							done.Add(1)
						case errors.Is(err, session.ErrUnknown):
							unknown.Add(1)
						case errors.Is(err, session.ErrRejected): // a call that met a fault each time; it was not committed
						default:
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			pass()
			stored, err := config.Get(t.Context(), srv.Session(t), path, checked)
			if least, most := int(done.Load()), int(done.Load()+unknown.Load()); err != nil || stored.Value.Rate < least || stored.Value.Rate > most {
				t.Errorf("seed %d: %d to %d were reported, and %d counted (%v)", seed, least, most, stored.Value.Rate, err)
			}
			unknowns += int(unknown.Load())
		})
	}
	t.Logf("%d of 300 of unknown outcome", unknowns)
}

// If another client is always faster, Update retries at a bounded rate until ctx is
// done.
func TestUpdateAlwaysOutrun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		write(t, other, path, `{"rate":0}`)
		tries := 0
		_, err := config.Update(testkit.Within(t, 10*time.Second), s, path, checked, func(l limits) (limits, error) {
			write(t, other, path, fmt.Sprintf(`{"rate":%d}`, l.Rate+1))
			if tries++; tries > 1000 {
				return l, errors.New("without end")
			}
			return l, nil
		})
		testkit.WantOpError(t, err, context.DeadlineExceeded, path)
		if tries < 10 || tries > 200 {
			t.Errorf("%d tries in 10 s", tries)
		}
	})
}

// The last good value survives disconnection, and Err reports the disconnection.
func TestCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		write(t, s, path, `{"rate":5}`)
		write(t, s, "/conf/a", "1")
		v, tree := open(t, s), openTree(t, s, codec.Text())
		srv.Stop()
		for _, d := range []time.Duration{time.Second, time.Hour} { // within the session, and far beyond
			time.Sleep(d)
			for _, err := range []error{v.Err(), tree.Err()} {
				var oe *session.OpError
				if !errors.Is(err, config.ErrStale) || !errors.As(err, &oe) {
					t.Errorf("after %v, Err is %v", d, err)
				}
			}
			if v.Load().Rate != 5 || text(tree.Load()) != "a=1" {
				t.Errorf("after %v it is %v, %v", d, v.Load(), tree.Load())
			}
		}
		start := time.Now()
		testkit.WantOpError(t, second(v.Update(testkit.Within(t, 500*time.Millisecond), add(1))), context.DeadlineExceeded, path)
		testkit.WantOpError(t, second(v.Put(testkit.Within(t, 500*time.Millisecond), limits{}, 0)), context.DeadlineExceeded, path)
		_, err := config.Open(testkit.Within(t, 500*time.Millisecond), s, path, checked)
		testkit.WantOpError(t, err, context.DeadlineExceeded, path)
		_, err = config.OpenTree(testkit.Within(t, 500*time.Millisecond), s, "/conf", codec.Text())
		testkit.WantOpError(t, err, context.DeadlineExceeded, "/conf")
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("four calls of half a second took %v", d)
		}
		if err := srv.Restart(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if v.Err() != nil || tree.Err() != nil {
			t.Errorf("back again: %v, %v", v.Err(), tree.Err())
		}
		other := srv.Session(t)
		write(t, other, path, `{"rate":6}`)
		shows(t, v, limits{Rate: 6})
		write(t, other, "/conf/a", "2")
		treeShows(t, tree, "a=2")
	})
}

// Curator's fault 3.22: what happens during a partition is missed because the
// version is the same again.
func TestSameVersionAfterPartition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		write(t, other, path, `{"rate":1}`)
		write(t, other, "/conf/d/a", "1")
		v, tree := open(t, s), openTree(t, s, codec.Text())
		heal := srv.Partition(s.Status().ID)
		testkit.Delete(t, other, path)
		write(t, other, path, `{"rate":2}`)
		for _, p := range []string{"/conf/d/a", "/conf/d"} {
			testkit.Delete(t, other, p)
		}
		write(t, other, "/conf/d/b", "1") // so the parent has as many changes as before
		heal()
		shows(t, v, limits{Rate: 2})
		treeShows(t, tree, "d/b=1")
	})
}

// Curator's fault 3.23: an empty container is reaped under the watcher.
func TestContainerReaped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t, zktest.WithContainerCheck(time.Second))
		s, other := srv.Session(t), srv.Session(t)
		write(t, other, path, `{"rate":0}`)
		v, tree := open(t, s), openTree(t, s, codec.Text())
		for i := range 3 {
			write(t, other, "/conf/a", "1") // in a container
			treeShows(t, tree, "a=1")
			testkit.Delete(t, other, "/conf/a")
			testkit.Delete(t, other, path)
			fails(t, v, session.ErrNoNode)
			time.Sleep(time.Minute)
			if _, ok, err := other.Exists(t.Context(), "/app"); ok || err != nil {
				t.Fatalf("the container is there: %v", err)
			}
			if tree.Err() != nil || text(tree.Load()) != "" {
				t.Errorf("without its root the tree is %v, %v", tree.Load(), tree.Err())
			}
			write(t, other, path, fmt.Sprintf(`{"rate":%d}`, i+1))
			shows(t, v, limits{Rate: i + 1})
		}
	})
}

// Curator's fault 3.24: waiting for nodes that are not there leaves watches.
func TestWaitingLeavesNoWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		for range 200 {
			v := openOr(t, s, limits{})
			for range v.Watch(testkit.Within(t, time.Millisecond)) {
			}
			v.Close()
			tree := openTree(t, s, codec.Text())
			for range tree.Watch(testkit.Within(t, time.Millisecond)) {
			}
			tree.Close()
		}
		synctest.Wait()
		if w := srv.Watches(); len(w) != 0 {
			t.Errorf("%d watches are left", len(w))
		}
	})
}

// Curator's fault 3.25: a permanent error makes requests without end.
func TestRefusalsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		fixed := session.ACLs(session.ACL{Perms: session.PermAll &^ session.PermWrite, Scheme: "world", ID: "anyone"})
		if _, _, err := s.Create(t.Context(), "/fixed", []byte(`{"rate":1}`), fixed); err != nil {
			t.Fatal(err)
		}
		if _, err := config.Put(t.Context(), s, path, checked, limits{}, session.AnyVersion); err != nil { // has a receipt made
			t.Fatal(err)
		}
		srv.ResetRequests()
		_, err := config.Update(t.Context(), s, "/fixed", checked, add(1))
		testkit.WantOpError(t, err, session.ErrNoAuth, "/fixed")
		if r := srv.Requests(); len(r) != 2 {
			t.Errorf("a refused update took the requests %v", r)
		}
		secret := session.ACLs(session.ACL{Perms: session.PermAll &^ session.PermRead, Scheme: "world", ID: "anyone"})
		if _, _, err := s.Create(t.Context(), "/conf/secret", nil, secret, session.Parents()); err != nil {
			t.Fatal(err)
		}
		tree := openTree(t, s, codec.Text())
		srv.ResetRequests()
		time.Sleep(time.Hour)
		if n := len(srv.Requests()); n > 2*3600/15+10 {
			t.Errorf("%d requests in an hour", n)
		}
		if !errors.Is(tree.Err(), session.ErrNoAuth) {
			t.Errorf("Err is %v", tree.Err())
		}
	})
}

// Many changes at a time cost few reads, and the last is seen. A read that a change
// overtakes is repeated at most twice without a pause.
func TestManyChangesCostFewReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		write(t, other, path, `{"rate":0}`)
		v := open(t, s)
		time.Sleep(time.Second)
		srv.ResetRequests()
		const n = 5000
		for i := range n {
			write(t, other, path, fmt.Sprintf(`{"rate":%d}`, i+1))
			time.Sleep(2 * time.Millisecond)
		}
		shows(t, v, limits{Rate: n})
		reads := 0
		for _, r := range srv.Requests() {
			if r.Session == s.Status().ID && r.Op == "getData" {
				reads++
			}
		}
		const pauses = 100 // of 100 ms
		if reads < pauses/2 || reads > 3*(pauses+1) {
			t.Errorf("%d reads of %d changes in 10 s", reads, n)
		}
	})
}

// A node that is created by Update and deleted by another client, both unseen by the
// watch, is not shown as existing.
func TestDeletedUnseen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		write(t, other, "/app/other", "")
		v := openOr(t, s, limits{})
		if _, err := config.Put(t.Context(), s, "/app/mine", checked, limits{}, config.Absent); err != nil { // has a receipt made
			t.Fatal(err)
		}
		once := false
		defer srv.Fault(func(r zktest.Request) zktest.Fault {
			if r.Op == "multi" && r.Path == path && !once {
				once = true
				go other.Delete(t.Context(), path, session.AnyVersion) // before the client is back
				return zktest.DropReply
			}
			return zktest.Pass
		})()
		if _, err := v.Update(t.Context(), add(1)); err != nil {
			t.Fatal(err)
		}
		if v.Load().Rate != 1 {
			t.Errorf("it is %v", v.Load())
		}
		time.Sleep(time.Minute)
		if err := v.Err(); !errors.Is(err, session.ErrNoNode) {
			t.Errorf("there is no such node, and Err is %v", err)
		}
		write(t, other, path, `{"rate":7}`)
		shows(t, v, limits{Rate: 7})
	})
}
