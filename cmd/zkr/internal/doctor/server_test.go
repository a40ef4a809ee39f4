package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestHealthyServer(t *testing.T) {
	onServer(t, func(t *testing.T, srv *zktest.Server) {
		r := examine(t, configOf(srv))
		wantCodes(t, r)
		s := r.Servers[0]
		want := Abilities{Create2: Yes, Containers: Yes, TTL: Yes, AddWatch: Yes, SASL: No}
		if s.Supports != want {
			t.Errorf("supports %+v", s.Supports)
		}
		if !s.Reachable || !s.Serving || s.Version != "3.9.5" || s.Mode != "standalone" || time.Duration(s.Timeout) != 10*time.Second || s.Tick == 0 {
			t.Errorf("%+v", s)
		}
		if s.RoundTrip == nil || s.RoundTrip.Samples != latencySamples || s.Write == nil || s.Write.Samples != latencySamples {
			t.Errorf("latencies %+v, %+v", s.RoundTrip, s.Write)
		}
		if s.MaxBuffer == nil || *s.MaxBuffer != (Limit{Bytes: defaultMaxBuffer}) {
			t.Errorf("jute.maxbuffer %+v", s.MaxBuffer)
		}
		if s.Clock == nil || time.Duration(s.Clock.Ahead).Abs() > time.Millisecond {
			t.Errorf("clock %+v", s.Clock)
		}
		if s.Outstanding == nil || s.Nodes == nil || *s.Nodes == 0 || s.Watches == nil || *s.Watches != 0 || len(s.Unknown) > 0 {
			t.Errorf("figures %+v", s)
		}
		if e := r.Ensemble; *e.Members != 1 || *e.Quorum != 1 || *e.Synced != 1 || e.Leader != "zk:2181" || len(e.Unknown) > 0 {
			t.Errorf("ensemble %+v", e)
		}
		if c := r.Client; time.Duration(c.MaxStopTime) != 3325*time.Millisecond || time.Duration(c.Outage) != 2500*time.Millisecond || c.RollingRestart != No {
			t.Errorf("client %+v", c)
		}
	})
}

func TestServerIsDown(t *testing.T) {
	onServer(t, func(t *testing.T, srv *zktest.Server) {
		srv.Stop()
		began := time.Now()
		r := examine(t, configOf(srv))
		wantCodes(t, r, Unreachable)
		if r.Reachable() || time.Since(began) > time.Second {
			t.Errorf("reachable %t after %v", r.Reachable(), time.Since(began))
		}
		srv.Restart()
	})
}

// A server that accepts connections and never answers.
func TestServerHangs(t *testing.T) {
	onServer(t, func(t *testing.T, srv *zktest.Server) {
		resume := srv.Pause()
		r := examine(t, configOf(srv))
		wantCodes(t, r, NoAnswer)
		if r.Reachable() {
			t.Error("it is reachable")
		}
		resume()
		time.Sleep(time.Minute) // the server may serve a handshake whose client has gone; that session expires
	})
}

// A network that drops everything.
func TestServerIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		defer srv.PartitionAll()()
		wantCodes(t, examine(t, configOf(srv)), NoAnswer)
	})
}

// The examination of a server that answers slowly ends in time with what it has learned.
func TestSlowServer(t *testing.T) {
	for _, delay := range []time.Duration{100 * time.Millisecond, 600 * time.Millisecond, 2 * time.Second, 4 * time.Second, 9 * time.Second} {
		t.Run(delay.String(), func(t *testing.T) {
			onServer(t, func(t *testing.T, srv *zktest.Server) {
				remove := srv.Inject(zktest.Rule{Delay: delay})
				s := examine(t, configOf(srv)).Servers[0]
				slow := false
				for _, f := range s.Findings {
					slow = slow || f.Code == SlowReads || f.Code == SlowWrites || f.Code == ReadsUnanswered || f.Code == WritesUnanswered
				}
				if slow != (delay > 500*time.Millisecond) {
					t.Errorf("findings %+v", s.Findings)
				}
				remove()
				time.Sleep(time.Minute) // sessions whose end came too late for the examination
			})
		})
	}
}

// Reads are answered and writes are not, as on a server that is cut off from its leader.
func TestWritesAreNotAnswered(t *testing.T) {
	onServer(t, func(t *testing.T, srv *zktest.Server) {
		srv.Inject(zktest.Rule{Op: "multi", Fault: zktest.Hang})
		r := examine(t, configOf(srv))
		wantCodes(t, r, WritesUnanswered)
		if s := r.Servers[0]; s.Write != nil || s.RoundTrip == nil || s.Unknown["clock"] != "writes are not answered" {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Minute)
	})
}

// A server that closes each connection in the handshake, as one without a leader does.
func TestServerOpensNoSession(t *testing.T) {
	onServer(t, func(t *testing.T, srv *zktest.Server) {
		srv.Inject(zktest.Rule{Op: "connect", Fault: zktest.Refuse})
		began := time.Now()
		r := examine(t, configOf(srv))
		wantCodes(t, r, NoSession)
		if took := time.Since(began); !r.Reachable() || took > 5*time.Second {
			t.Errorf("reachable %t after %v", r.Reachable(), took)
		}
	})
}

func TestServerWithoutQuorum(t *testing.T) {
	onServer(t, func(t *testing.T, srv *zktest.Server) {
		cfg := configOf(srv)
		cfg.Servers = []string{"a:1", "b:1"}
		waiting := map[string]string{
			"srvr": "This ZooKeeper instance is not currently serving requests\n",
		}
		cfg.Dial = withWords(srv.DialContext, map[string]map[string]string{"a:1": waiting, "b:1": waiting})
		r := examine(t, cfg)
		wantCodes(t, r, NotServing, NotServing, NoQuorum)
		if !r.Reachable() || r.Ensemble.Unknown["leader"] != noServer {
			t.Errorf("%+v", r.Ensemble)
		}
		if got := len(srv.Requests()); got != 0 {
			t.Errorf("%d requests to servers that do not serve", got)
		}
	})
}

// The operations of an old Keeper, refused in each way.
func TestOldServer(t *testing.T) {
	ops := []string{"create2", "removeWatches", "createContainer", "createTTL", "setWatches", "setWatches2", "addWatch", "multiRead"}
	for name, how := range map[string]zktest.Refusal{"closing": zktest.RefuseByClosing, "unimplemented": zktest.RefuseUnimplemented, "bad arguments": zktest.RefuseBadArguments} {
		t.Run(name, func(t *testing.T) {
			onServer(t, func(t *testing.T, srv *zktest.Server) {
				r := examine(t, configOf(srv))
				wantCodes(t, r, OldServer)
				want := Abilities{Create2: No, Containers: No, TTL: No, AddWatch: No, SASL: No}
				s := r.Servers[0]
				if s.Supports != want || s.Clock == nil || time.Duration(s.Clock.Ahead).Abs() > time.Minute {
					t.Errorf("%+v", s)
				}
			}, zktest.WithRefused(how, ops...))
		})
	}
}

// A server that does not know transactions either.
func TestServerWithoutTransactions(t *testing.T) {
	onServer(t, func(t *testing.T, srv *zktest.Server) {
		r := examine(t, configOf(srv))
		wantCodes(t, r)
		if r.Servers[0].Write == nil {
			t.Error("the latency of writes is unknown")
		}
	}, zktest.WithRefused(zktest.RefuseBadArguments, "multi"))
}

func TestServerRequiresCredentials(t *testing.T) {
	onServer(t, func(t *testing.T, srv *zktest.Server) {
		cfg := configOf(srv)
		r := examine(t, cfg)
		wantCodes(t, r, CredentialsMissing)
		if s := r.Servers[0]; s.Serving || s.Supports.Create2 != Unknown || s.Unknown["clock"] != "the server requires credentials" {
			t.Errorf("%+v", s)
		}
		cfg.Auth = []Credential{{"digest", []byte("ann:secret")}}
		cfg.Options = []session.Option{session.WithAuth("digest", []byte("ann:secret"))}
		r = examine(t, cfg)
		wantCodes(t, r)
		if s := r.Servers[0]; !s.Serving || s.Supports.Create2 != Yes || s.Clock == nil {
			t.Errorf("%+v", s)
		}
		cfg.Options = []session.Option{session.WithAuth("nonsense", []byte("x"))}
		wantCodes(t, examine(t, cfg), CredentialsRefused)
		time.Sleep(time.Minute) // without credentials a session cannot be closed, so it expires
	}, zktest.WithEnforcedAuth("digest"))
}

// Without the right to create a node, only the clock is unknown.
func TestMissingRights(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		only := []session.ACL{{Perms: session.PermRead, Scheme: "world", ID: "anyone"}}
		if _, err := s.SetACL(t.Context(), "/", only, session.AnyVersion); err != nil {
			t.Fatal(err)
		}
		r := examine(t, configOf(srv))
		wantCodes(t, r)
		got := r.Servers[0]
		if got.Clock != nil || got.Unknown["clock"] != "the credentials do not allow to create a node" {
			t.Errorf("clock %+v, %v", got.Clock, got.Unknown)
		}
		if got.Write == nil || got.Supports.TTL != Yes || got.MaxBuffer == nil {
			t.Errorf("%+v", got)
		}
	})
}

// The node is created in the chroot if it exists.
func TestChroot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		if _, _, err := s.Create(t.Context(), "/app", nil); err != nil {
			t.Fatal(err)
		}
		for chroot, want := range map[string]string{"/app": "/app/", "/none": "/"} {
			srv.ResetRequests()
			cfg := configOf(srv)
			cfg.Chroot = chroot
			r := examine(t, cfg)
			wantCodes(t, r)
			var created []string
			for _, q := range srv.Requests() {
				if q.Op == "delete" {
					created = append(created, q.Path)
				}
			}
			if len(created) != 1 || !strings.HasPrefix(created[0], want+"zkr-doctor-") {
				t.Errorf("chroot %s: created %v", chroot, created)
			}
		}
	})
}

func TestClock(t *testing.T) {
	for _, ahead := range []time.Duration{-time.Hour, -2 * time.Second, 2 * time.Second, time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			onServer(t, func(t *testing.T, srv *zktest.Server) {
				srv.JumpClock(ahead)
				r := examine(t, configOf(srv))
				wantCodes(t, r, ClockDiffers)
				c := r.Servers[0].Clock
				if diff := time.Duration(c.Ahead) - ahead; diff.Abs() > time.Duration(c.Uncertainty) {
					t.Errorf("clock %+v", c)
				}
			})
		})
	}
}

func TestBuffers(t *testing.T) {
	for _, tt := range []struct {
		server, client int
		want           Limit
		codes          []Code
	}{
		{defaultMaxBuffer, defaultMaxBuffer, Limit{Bytes: defaultMaxBuffer}, nil},
		{300_000, defaultMaxBuffer, Limit{300_000, true}, []Code{SmallBuffer}},
		{4 << 20, defaultMaxBuffer, Limit{Bytes: defaultMaxBuffer}, nil},
		{4 << 20, 4 << 20, Limit{Bytes: 4 << 20}, nil},
		{defaultMaxBuffer, 4 << 20, Limit{defaultMaxBuffer, true}, []Code{SmallBuffer}},
	} {
		t.Run(fmt.Sprintf("%d and %d", tt.server, tt.client), func(t *testing.T) {
			onServer(t, func(t *testing.T, srv *zktest.Server) {
				cfg := configOf(srv)
				cfg.MaxBuffer = tt.client
				r := examine(t, cfg)
				wantCodes(t, r, tt.codes...)
				if l := r.Servers[0].MaxBuffer; l == nil || *l != tt.want {
					t.Errorf("limit %+v, want %+v", l, tt.want)
				}
			}, zktest.WithMaxBuffer(tt.server))
		})
	}
}

func TestTimeouts(t *testing.T) {
	for _, tt := range []struct {
		shortest, longest time.Duration
		want              string
	}{
		{time.Second, 4 * time.Second, "maxSessionTimeout"},
		{20 * time.Second, time.Minute, "minSessionTimeout"},
	} {
		onServer(t, func(t *testing.T, srv *zktest.Server) {
			r := examine(t, configOf(srv))
			codes := []Code{TimeoutChanged}
			wantCodes(t, r, codes...)
			if f := r.Servers[0].Findings[0]; !strings.Contains(f.Advice, tt.want) {
				t.Errorf("%+v", f)
			}
		}, zktest.WithTimeouts(tt.shortest, tt.longest))
	}
	onServer(t, func(t *testing.T, srv *zktest.Server) {
		wantCodes(t, examine(t, configOf(srv)), TimeoutMinimum)
	}, zktest.WithTick(2*time.Second), zktest.WithTimeouts(time.Second, time.Minute))
}

// A server on which clients have set many watches.
func TestManyWatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		e, err := s.Epoch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		const watches = 200
		for i := range watches {
			if _, _, _, err := e.WatchExists(t.Context(), fmt.Sprintf("/n%d", i)); err != nil {
				t.Fatal(err)
			}
		}
		r := examine(t, configOf(srv))
		wantCodes(t, r)
		if got := r.Servers[0].Watches; got == nil || *got != watches || *r.Ensemble.Watches != watches {
			t.Errorf("watches %v", got)
		}
		if got := len(srv.Watches()); got != watches {
			t.Errorf("%d watches afterwards", got)
		}
	})
}

// Figures in the words of a server that is under load.
func TestLoad(t *testing.T) {
	onServer(t, func(t *testing.T, srv *zktest.Server) {
		cfg := configOf(srv)
		cfg.Dial = withWords(srv.DialContext, map[string]map[string]string{"zk:2181": {
			"srvr": "Zookeeper version: 3.8.4-9316c2a7, built on 2024-02-12 22:16 UTC\nOutstanding: 7000\nConnections: 90\nMode: read-only\nNode count: 3\n",
			"mntr": "zk_version\t3.8.4-9316c2a7, built\nzk_watch_count\t250000\nzk_outstanding_requests\t7001\nzk_open_file_descriptor_count\t3300\nzk_max_file_descriptor_count\t4096\n",
		}})
		r := examine(t, cfg)
		wantCodes(t, r, ReadOnly, RequestsQueued, ManyWatches, FewDescriptors)
		if s := r.Servers[0]; s.Version != "3.8.4" || *s.Outstanding != 7001 || *s.Watches != 250000 || *s.Connections != 90 {
			t.Errorf("%+v", s)
		}
	})
}

// Without the words and the admin server, facts are unknown, with the setting that would show
// them. The server is healthy nevertheless.
func TestWordsAreNotListed(t *testing.T) {
	onServer(t, func(t *testing.T, srv *zktest.Server) {
		cfg := configOf(srv)
		cfg.Dial = withWords(srv.DialContext, map[string]map[string]string{"zk:2181": {}})
		r := examine(t, cfg)
		wantCodes(t, r)
		s := r.Servers[0]
		for name, setting := range map[string]string{"version": "srvr", "mode": "srvr", "nodes": "srvr", "outstanding": "srvr", "watches": "mntr"} {
			if want := "shown by 4lw.commands.whitelist=" + setting + " or admin.enableServer=true"; s.Unknown[name] != want {
				t.Errorf("%s: %q", name, s.Unknown[name])
			}
		}
		if !s.Reachable || s.Write == nil || s.Clock == nil {
			t.Errorf("%+v", s)
		}
	})
}

// However the examination is interrupted, it ends at once and leaves nothing.
func TestInterruptedAtEachRequest(t *testing.T) {
	count := 0
	onServer(t, func(t *testing.T, srv *zktest.Server) {
		examine(t, configOf(srv))
		count = len(srv.Requests())
	})
	interrupted := errors.New("interrupted")
	for n := range count {
		if n > 20 && n < count-40 { // the same requests again, to measure
			continue
		}
		onServer(t, func(t *testing.T, srv *zktest.Server) {
			ctx, cancel := context.WithCancelCause(t.Context())
			srv.Fault(func(q zktest.Request) zktest.Fault {
				if q.N == n+1 {
					cancel(interrupted)
				}
				return zktest.Pass
			})
			began := time.Now()
			_, err := Examine(ctx, configOf(srv), func(*Server) error { return nil })
			if n < count-1 && !errors.Is(err, interrupted) && err != nil {
				t.Errorf("request %d: %v", n+1, err)
			}
			if took := time.Since(began); took > 3*closeTimeout {
				t.Errorf("request %d: ended after %v", n+1, took)
			}
		})
	}
}

// Each request is lost, or its reply, or the connection hangs at it. The examination ends in
// time, and nothing is left but sessions that expire.
func TestFaultAtEachRequest(t *testing.T) {
	count := 0
	onServer(t, func(t *testing.T, srv *zktest.Server) {
		examine(t, configOf(srv))
		count = len(srv.Requests())
	})
	for _, fault := range []zktest.Fault{zktest.Refuse, zktest.DropReply, zktest.Hang, zktest.ExpireBefore, zktest.Corrupt} {
		for n := range count {
			if n > 6 && n < count-18 { // the same requests again, to measure
				continue
			}
			onServer(t, func(t *testing.T, srv *zktest.Server) {
				srv.Inject(zktest.Rule{Nth: n + 1, Fault: fault})
				examine(t, configOf(srv))
				time.Sleep(time.Minute)
			})
		}
	}
}
