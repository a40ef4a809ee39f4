package inspect_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/inspect"
	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestMain(m *testing.M) { testkit.Main(m) }

// text formats what a report shows of a recipe, without names of nodes and times.
func text(r *inspect.Recipe) string {
	s := fmt.Sprintf("%s: %s", r.Kind, r.Name)
	if r.Layout != "" {
		s += " (" + r.Layout + ")"
	}
	for _, o := range r.Or {
		s += ", or " + o
	}
	for _, list := range []struct {
		role string
		ps   []inspect.Participant
	}{{"owner", r.Owners}, {"waiter", r.Waiters}, {"member", r.Members}} {
		for _, p := range list.ps {
			s += "; " + strings.TrimSpace(list.role+" "+p.Mode) + " " + p.ID
			if p.Data != "" {
				s += " " + p.Data
			}
			if p.HeldSince != nil {
				s += " held"
			}
			if p.Wants > 0 {
				s += fmt.Sprintf(" wants %d", p.Wants)
			}
			if p.Ownerless {
				s += " ownerless"
			}
			if p.Revoked {
				s += " revoked"
			}
		}
	}
	if q := r.Queue; q != nil {
		s += fmt.Sprintf("; %d items, %d claimed, %d delayed, %d dead", q.Length, q.Claimed, q.Delayed, q.DeadLetters)
		if q.Head != nil {
			s += ", next " + q.Head.Line
		}
	}
	if r.Tasks != nil {
		t := *r.Tasks
		s += fmt.Sprintf("; %d tasks: %d pending, %d assigned, %d running, %d done, %d failed", t.Total, t.Pending, t.Assigned, t.Running, t.Done, t.Failed)
	}
	if r.Value != nil {
		s += "; " + r.Value.Line
	}
	for _, v := range r.Services {
		s += fmt.Sprintf("; %s %d", v.Name, v.Instances)
	}
	for _, f := range r.Findings {
		s += "; found " + string(f.Cause)
	}
	return s
}

func read(t *testing.T, s *session.Session, path string) *inspect.Report {
	t.Helper()
	rep, err := inspect.Read(t.Context(), s, path, inspect.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

// world is what a test case uses to make nodes at /app.
type world struct {
	*testing.T
	a, b *session.Session
}

func must[T any](w world) func(T, error) T {
	return func(v T, err error) T {
		w.Helper()
		if err != nil {
			w.Fatal(err)
		}
		return v
	}
}

// waits runs a call that waits until the test ends, and returns when it does.
func waits[T any](w world, f func(context.Context) (T, error)) {
	ctx, cancel := context.WithCancel(w.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if _, err := f(ctx); ctx.Err() == nil {
			w.Errorf("the wait has ended: %v", err)
		}
	}()
	w.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
}

func (w world) create(path string, data string, opts ...session.CreateOption) {
	w.Helper()
	if _, _, err := w.a.Create(w.Context(), path, []byte(data), append(opts, session.Parents())...); err != nil {
		w.Fatal(err)
	}
}

func withID(id string) lock.Option { return lock.WithID(id) }

// Every recipe of this module is recognized by the nodes that it makes.
func TestRecognizeOurs(t *testing.T) {
	const app = "/app"
	push := func(opts ...queue.Option) func(world) {
		return func(w world) {
			q := queue.New(w.a, app, codec.Text(), opts...)
			must[string](w)(q.Push(w.Context(), "x"))
			must[string](w)(q.Push(w.Context(), "y"))
		}
	}
	register := func(l registry.Layout) func(world) {
		return func(w world) {
			r := registry.New(w.a, app, registry.WithLayout(l))
			must[*registry.Registration](w)(r.Register(w.Context(), registry.Instance{Service: "web", Addr: "10.0.0.1:80"}))
			must[*registry.Registration](w)(r.Register(w.Context(), registry.Instance{Service: "web", Addr: "10.0.0.2:80"}))
			must[*registry.Registration](w)(r.Register(w.Context(), registry.Instance{Service: "db", Addr: "10.0.0.3:80"}))
			w.create(app+"/gone", "")
		}
	}
	join := func(l membership.Layout, data string) func(world) {
		return func(w world) {
			must[*membership.Membership](w)(membership.New(w.a, app, membership.WithLayout(l)).Join(w.Context(), "web", []byte(data)))
		}
	}
	for _, test := range []struct {
		name string
		use  func(world)
		want string
	}{
		{"lock", func(w world) {
			must[*lock.Lease](w)(lock.New(w.a, app, withID("h:1")).Lock(w.Context()))
		}, "lock: lock (curator); owner h:1 held"},
		{"lock with waiters", func(w world) {
			must[*lock.Lease](w)(lock.New(w.a, app, withID("h:1")).Lock(w.Context()))
			waits(w, lock.New(w.b, app, withID("h:2")).Lock)
		}, "lock: lock (curator); owner h:1; waiter h:2"},
		{"lock of Kazoo", func(w world) {
			must[*lock.Lease](w)(lock.New(w.a, app, lock.WithLayout(lock.Kazoo), withID("h:1")).Lock(w.Context()))
		}, "lock: lock (kazoo); owner h:1 held"},
		{"several locks", func(w world) {
			must[*lock.MultiLease](w)(lock.NewMulti(w.a, []string{app, "/other"}, withID("h:1")).Lock(w.Context()))
		}, "lock: lock (curator); owner h:1 held"},
		{"read/write lock", func(w world) {
			must[*lock.Lease](w)(lock.NewRW(w.a, app, withID("h:1")).RLock(w.Context()))
			must[*lock.Lease](w)(lock.NewRW(w.b, app, withID("h:2")).RLock(w.Context()))
			waits(w, lock.NewRW(w.b, app, withID("h:3")).Lock)
		}, "rwlock: read/write lock (curator); owner read h:1; owner read h:2; waiter write h:3"},
		{"read/write lock of Kazoo", func(w world) {
			must[*lock.Lease](w)(lock.NewRW(w.a, app, lock.WithLayout(lock.Kazoo), withID("h:1")).RLock(w.Context()))
		}, "rwlock: read/write lock (kazoo); owner read h:1 held"},
		{"semaphore", func(w world) {
			s := lock.NewSemaphore(w.a, app, 2, withID("h:1"))
			must[*lock.Lease](w)(s.Acquire(w.Context()))
			waits(w, func(ctx context.Context) (*lock.Lease, error) {
				return lock.NewSemaphore(w.b, app, 2, withID("h:2")).AcquireN(ctx, 2)
			})
		}, "semaphore: semaphore (curator); owner h:1 held; waiter h:2 wants 2"},
		{"semaphore of Kazoo", func(w world) {
			must[*lock.Lease](w)(lock.NewSemaphore(w.a, app, 1, lock.WithLayout(lock.Kazoo), withID("h:1")).Acquire(w.Context()))
			waits(w, lock.NewSemaphore(w.b, app, 1, lock.WithLayout(lock.Kazoo), withID("h:2")).Acquire)
		}, "semaphore: semaphore (kazoo); owner h:1 held; waiter h:2 wants 1"},
		{"election", func(w world) {
			must[*election.Term](w)(election.New(w.a, app, election.WithID("h:1"), election.WithData([]byte("more"))).Campaign(w.Context()))
			waits(w, election.New(w.b, app, election.WithID("h:2")).Campaign)
		}, "election: election (curator); owner h:1; waiter h:2"},
		{"election by a fixed node", func(w world) {
			must[*election.Term](w)(election.New(w.a, app, election.WithFixedNode("master"), election.WithID("h:1")).Campaign(w.Context()))
		}, "election: election by a fixed node (fixed), or group of members; owner h:1 held"},
		{"barrier", func(w world) {
			if err := barrier.New(w.a, app, barrier.WithID("h:1")).Raise(w.Context()); err != nil {
				w.Fatal(err)
			}
		}, "value: value, or barrier raised by h:1; h:1"},
		{"latch", func(w world) {
			must[int](w)(0, barrier.NewLatch(w.a, app, 3).CountDown(w.Context()))
		}, "latch: latch (native), or value; 2/3"},
		{"double barrier", func(w world) {
			waits(w, barrier.NewDouble(w.a, app, 2, barrier.WithID("h:1")).Enter)
		}, "double-barrier: double barrier (curator); member h:1"},
		{"double barrier in a round", func(w world) {
			must[*barrier.Entry](w)(barrier.NewDouble(w.a, app, 1, barrier.WithID("h:1")).Enter(w.Context()))
		}, "double-barrier: double barrier (curator); member h:1"},
		{"synchronizing queue", func(w world) {
			waits(w, barrier.NewDouble(w.a, app, 2, barrier.WithLayout(barrier.Synchronizing), barrier.WithID("h:1")).Enter)
		}, "double-barrier: double barrier (synchronizing), or group of members; member h:1"},
		{"queue", push(), "queue: queue (native); 2 items, 0 claimed, 0 delayed, 0 dead, next x"},
		{"claimed item", func(w world) {
			push(queue.WithID("h:1"))(w)
			must[*queue.Item[string]](w)(queue.New(w.a, app, codec.Text(), queue.WithID("h:1")).Claim(w.Context()))
		}, "queue: queue (native); owner h:1 ID held; 2 items, 1 claimed, 0 delayed, 0 dead, next y"},
		{"dead letter", func(w world) {
			push()(w)
			item := must[*queue.Item[string]](w)(queue.New(w.a, app, codec.Text()).Claim(w.Context()))
			if err := item.Bury(w.Context(), errors.New("broken")); err != nil {
				w.Fatal(err)
			}
		}, "queue: queue (native); 1 items, 0 claimed, 0 delayed, 1 dead, next y; found dead-letters"},
		{"delayed item", func(w world) {
			must[string](w)(queue.New(w.a, app, codec.Text()).Push(w.Context(), "x", queue.WithNotBefore(time.Now().Add(time.Hour))))
		}, "queue: queue (native); 1 items, 0 claimed, 1 delayed, 0 dead; found not-due"},
		{"queue of Curator", push(queue.WithLayout(queue.Curator)), "queue: queue of Curator (curator); 2 items, 0 claimed, 0 delayed, 0 dead, next x"},
		{"priority queue of Curator", push(queue.WithLayout(queue.CuratorPriority)), "queue: priority queue of Curator (curator-priority); 2 items, 0 claimed, 0 delayed, 0 dead, next x"},
		{"delay queue of Curator", push(queue.WithLayout(queue.CuratorDelay)), "queue: delay queue of Curator (curator-delay); 2 items, 0 claimed, 0 delayed, 0 dead, next x"},
		{"simple queue", push(queue.WithLayout(queue.CuratorSimple)), "queue: simple queue (curator-simple); 2 items, 0 claimed, 0 delayed, 0 dead, next x"},
		{"simple queue with a prefix", push(queue.WithLayout(queue.CuratorSimple), queue.WithPrefix("job_")),
			"queue: queue of sequential nodes (curator-simple), or persistent sequential nodes; 2 items, 0 claimed, 0 delayed, 0 dead, next x"},
		{"queue of Kazoo", push(queue.WithLayout(queue.Kazoo)), "queue: queue of Kazoo (kazoo); 2 items, 0 claimed, 0 delayed, 0 dead, next x"},
		{"locking queue of Kazoo", func(w world) {
			push(queue.WithLayout(queue.KazooLocking))(w)
			item := must[*queue.Item[string]](w)(queue.New(w.a, app, codec.Text(), queue.WithLayout(queue.KazooLocking)).Claim(w.Context()))
			if err := item.Bury(w.Context(), errors.New("broken")); err != nil {
				w.Fatal(err)
			}
		}, "queue: locking queue of Kazoo (kazoo-locking); 1 items, 0 claimed, 0 delayed, 1 dead, next y; found dead-letters"},
		{"sequence", func(w world) {
			must[int64](w)(naming.NewSequence(w.a, app).Next(w.Context()))
		}, "sequence: counter of 8 bytes (binary), or sequence, or DistributedAtomicLong of Curator; 1"},
		{"decimal sequence", func(w world) {
			must[int64](w)(naming.NewSequence(w.a, app, naming.WithDecimal()).Next(w.Context()))
		}, "value: number (decimal), or value, or sequence, or Counter of Kazoo; 1"},
		{"slots", func(w world) {
			must[*naming.Slot](w)(naming.NewSlots(w.a, app, 1, naming.WithID("h:1")).Acquire(w.Context()))
			waits(w, naming.NewSlots(w.b, app, 1, naming.WithID("h:2")).Acquire)
		}, "slots: numbered slots (native); owner 0 h:1 held; waiter h:2"},
		{"group", join(membership.Curator, "x"), "group: group of members (curator), or election by a fixed node; member web x"},
		{"party of Kazoo", join(membership.KazooParty, ""), "group: party of Kazoo (kazoo-party); member web"},
		{"shallow party of Kazoo", join(membership.KazooShallowParty, "x"), "group: shallow party of Kazoo (kazoo-shallow-party); member web x"},
		{"registry", register(registry.Curator), "registry: registry of services (curator); db 1; gone 0; web 2"},
		{"registry of Spring", register(registry.Spring), "registry: registry of services (spring); db 1; gone 0; web 2"},
		{"registry of Go Micro", register(registry.Micro), "registry: registry of services (micro); db 1; gone 0; web 2"},
		{"registry of Kratos", register(registry.Kratos), "registry: registry of services (kratos); db 1; gone 0; web 2"},
		{"server sets", register(registry.ServerSet), "registry: registry of services (serverset); db 1; gone 0; web 2"},
		{"value", func(w world) {
			must[config.Snapshot[string]](w)(config.Put(w.Context(), w.a, app, codec.Text(), "max=5\nmin=1", config.Absent))
		}, "value: value; max=5"},
		{"name", func(w world) {
			must[string](w)("", naming.NewDirectory(w.a, app).Bind(w.Context(), "a", []byte("v")))
		}, "value: value; v"},
		{"link", func(w world) {
			must[string](w)("", naming.NewDirectory(w.a, app).Link(w.Context(), "a", "b"))
		}, "value: link of a directory of names (native); zkrecipes-link:b"},
		{"pool of tasks", func(w world) {
			p := tasks.New(w.a, app, codec.Text(), codec.Text(), tasks.WithAddress("h:1"))
			must[*tasks.Ticket[string]](w)(p.Submit(w.Context(), "x"))
			waits(w, func(ctx context.Context) (int, error) { return 0, p.Master(ctx) })
			waits(w, func(ctx context.Context) (int, error) {
				return 0, tasks.New(w.b, app, codec.Text(), codec.Text(), tasks.WithAddress("10.0.0.1:80")).Work(ctx, "w", func(ctx context.Context, _ tasks.Task[string]) (string, error) {
					<-ctx.Done()
					return "", ctx.Err()
				})
			})
		}, "tasks: pool of tasks (native); owner h:1 held; member w 10.0.0.1:80; 1 tasks: 0 pending, 0 assigned, 1 running, 0 done, 0 failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				w := world{t, srv.Session(t), srv.Session(t)}
				test.use(w)
				time.Sleep(time.Second)
				rep := read(t, w.b, app)
				if len(rep.Recipes) != 1 {
					t.Fatalf("%d recipes: %v\n%s", len(rep.Recipes), rep.Text(time.Now()), srv.Tree())
				}
				got := text(rep.Recipes[0])
				if len(rep.Recipes[0].Owners) == 1 && rep.Recipes[0].Kind == inspect.KindQueue {
					got = strings.Replace(got, rep.Recipes[0].Owners[0].Data, "ID", 1)
				}
				if diff := cmp.Diff(test.want, got); diff != "" {
					t.Errorf("%s\n%s", diff, srv.Tree())
				}
			})
		})
	}
}

// Nodes that other libraries make have the names below.
func TestRecognizeOthers(t *testing.T) {
	const (
		uuid = "06d3d850-e8ca-46ae-af18-15b6add28be8"
		hex  = "06d3d850e8ca46aeaf1815b6add28be8"
	)
	ephemeral := []session.CreateOption{session.Ephemeral()}
	type n struct {
		path, data string
		opts       []session.CreateOption
	}
	for _, test := range []struct {
		name  string
		nodes []n
		path  string // "" for /app
		want  string
	}{
		{"Curator's mutex", []n{{"/app/_c_" + uuid + "-lock-0000000003", "10.0.0.1", ephemeral}}, "",
			"lock: lock (curator), or election by Curator's LeaderSelector; owner 10.0.0.1 held"},
		{"go-zookeeper's lock", []n{{"/app/_c_" + hex + "-lock-0000000003", "", ephemeral}}, "", "lock: lock (curator); owner  held"},
		{"Kazoo's lock", []n{{"/app/" + hex + "__lock__0000000003", "id", ephemeral}}, "", "lock: lock (kazoo), or election of Kazoo; owner id held"},
		{"past the last number", []n{
			{"/app/x-lock-2147483647", "one", ephemeral}, {"/app/x-lock--2147483648", "two", ephemeral},
		}, "", "lock: lock (curator); owner one; waiter two"},
		{"two layouts", []n{{"/app/" + hex + "__lock__0000000003", "id", ephemeral}, {"/app/_c_" + uuid + "-lock-0000000004", "id2", ephemeral}}, "",
			"lock: lock (curator), or election of Kazoo; owner id; waiter id2; found mixed-layouts"},
		{"revoked", []n{{"/app/x-lock-0000000001", "__REVOKE__", ephemeral}}, "", "lock: lock (curator); owner  held revoked; found revoked"},
		{"ownerless", []n{{"/app/x-lock-0000000001", "me", nil}}, "", "lock: lock (curator); owner me held ownerless; found ownerless"},
		{"ownerless waiter", []n{{"/app/x-lock-0000000001", "me", ephemeral}, {"/app/x-lock-0000000002", "hand", nil}}, "",
			"lock: lock (curator); owner me; waiter hand ownerless; found ownerless"},
		{"foreign child", []n{{"/app/_c_" + uuid + "-__WRIT__0000000003", "a", ephemeral}, {"/app/0", "", nil}}, "",
			"rwlock: read/write lock (curator); owner write a; found foreign-node"},
		{"LeaderLatch", []n{{"/app/_c_" + uuid + "-latch-0000000003", "a", ephemeral}}, "", "election: election (curator); owner a held"},
		{"Kazoo's double barrier", []n{{"/app/" + hex, "host.example-41", ephemeral}}, "",
			"double-barrier: double barrier (kazoo), or semaphore of Kazoo; member host.example-41"},
		{"Curator's double barrier", []n{{"/app/" + uuid, "", ephemeral}}, "", "double-barrier: double barrier (curator), or group of members; member "},
		{"stale ready", []n{{"/app/ready", "", nil}}, "", "double-barrier: double barrier (curator); found stale-ready"},
		{"PersistentNode", []n{{"/app/_c_" + uuid + "-n0000000001", "a", ephemeral}, {"/app/_c_" + uuid + "-n0000000002", "b", ephemeral}}, "",
			"line: line of sequential ephemeral nodes, or lock, or election, or group with a master; owner a; waiter b"},
		{"article's masters", []n{{"/app/master-0000000001", "a", ephemeral}, {"/app/master-0000000002", "b", ephemeral}}, "",
			"line: line of sequential ephemeral nodes, or lock, or election, or group with a master; owner a; waiter b"},
		{"SharedCount", []n{{"/app", "\x00\x00\x00\x05", nil}}, "", "sequence: counter of 4 bytes (binary), or SharedCount or DistributedAtomicInteger of Curator; 5"},
		{"id queue", []n{{"/app/queue-|a-b|0000000001", "\x00\x01\x00\x01\x01\x00\x00\x00\x02hi\x02", nil}}, "",
			"queue: queue of Curator with ids (curator-id); 1 items, 0 claimed, 0 delayed, 0 dead, next hi"},
		{"partitioner", []n{{"/app/party/" + hex + "-h-1", "h-1", ephemeral}, {"/app/locks/x", "", nil}}, "",
			"partitioner: partitioner of Kazoo (kazoo); member h-1"},
		{"lease of Kazoo", []n{{"/app/lease_holder", `{"version": 1, "holder": "h"}`, nil}}, "", "lease: lease of Kazoo (kazoo)"},
		{"empty folder", []n{{"/app", "", nil}}, "", "value: empty node, or recipe that nobody uses now, or raised barrier; "},
		{"Nerve", []n{{"/app/a", `{"host":"h","port":1,"name":"n"}`, ephemeral}}, "", "service: service of Nerve (nerve); member a h:1"},
		{"Kafka's controller", []n{{"/app/controller", `{"brokerid":1}`, ephemeral}, {"/app/controller_epoch", "3", nil}}, "/app/controller",
			`system: node of Kafka; owner {"brokerid":1} held`},
		{"Kafka's brokers", []n{{"/app/brokers/ids/1", `{"host":"h"}`, ephemeral}}, "/app/brokers/ids", `system: node of Kafka; member 1 {"host":"h"}`},
		{"HBase's master", []n{{"/hbase-unsecure/master", "\x00\x01", ephemeral}, {"/hbase-unsecure/hbaseid", "x", nil}}, "/hbase-unsecure/master", "system: node of HBase; owner  (2 bytes, not text) held"},
		{"Solr's nodes", []n{{"/app/live_nodes/h:8983_solr", "", ephemeral}}, "/app/live_nodes", "system: node of Solr; member h:8983_solr"},
		{"controller of something else", []n{{"/app/controller", "x", nil}}, "/app/controller", "value: value; x"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				w := world{t, srv.Session(t), srv.Session(t)}
				for _, n := range test.nodes {
					w.create(n.path, n.data, n.opts...)
				}
				path := test.path
				if path == "" {
					path = "/app"
				}
				rep := read(t, w.b, path)
				if len(rep.Recipes) != 1 {
					t.Fatalf("%d recipes: %v", len(rep.Recipes), rep.Text(time.Now()))
				}
				if diff := cmp.Diff(test.want, text(rep.Recipes[0])); diff != "" {
					t.Error(diff)
				}
			})
		})
	}
}

// Names that are only similar are not recognized: the children are shown as values.
func TestRecognizeNeither(t *testing.T) {
	for _, children := range [][]string{
		{"items", "color"}, {"tasks", "workers", "assign", "other"}, {"a", "b-lock", "lock-1"}, {"locks", "leases", "x"}, {"entries", "x"},
	} {
		srv := zktest.New(t)
		w := world{t, srv.Session(t), nil}
		for _, c := range children {
			w.create("/app/"+c, "x")
		}
		rep := read(t, w.a, "/app")
		if !rep.Tree || len(rep.Recipes) != len(children) || rep.Recipes[0].Kind != inspect.KindValue {
			t.Errorf("%q: %q", children, rep.Text(time.Now()))
		}
	}
}

// Below a path without a recipe, every recipe is found, up to the limits, and what is
// left out is named.
func TestTree(t *testing.T) {
	srv := zktest.New(t)
	w := world{t, srv.Session(t), nil}
	for i := range 5 {
		w.create(fmt.Sprintf("/app/locks/%d/x-lock-0000000001", i), "me", session.Ephemeral())
	}
	w.create("/app/a/b/c/d/deep", "x")
	rep, err := inspect.Read(t.Context(), w.a, "/app", inspect.Options{Limits: inspect.Limits{Children: 3, Depth: 3}})
	if err != nil {
		t.Fatal(err)
	}
	var paths []string
	for _, r := range rep.Recipes {
		paths = append(paths, r.Path)
	}
	slices.Sort(rep.LeftOut)
	if want := []string{"/app/locks/0", "/app/locks/1", "/app/locks/2"}; !slices.Equal(paths, want) {
		t.Errorf("found %q", paths)
	}
	if want := []string{"1 node below /app/a/b/c, at the depth of the search", "2 of 5 children of /app/locks"}; !slices.Equal(rep.LeftOut, want) {
		t.Errorf("left out %q", rep.LeftOut)
	}
}

// A node with many children costs few reads: its names, a sample, and the participants
// up to the limit.
func TestLimits(t *testing.T) {
	srv := zktest.New(t)
	w := world{t, srv.Session(t), nil}
	for i := range 300 {
		w.create(fmt.Sprintf("/app/q/qn-%010d", i), "x")
	}
	srv.ResetRequests()
	rep, err := inspect.Read(t.Context(), w.a, "/app", inspect.Options{Limits: inspect.Limits{Participants: 10}})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(srv.Requests()); n > 70 {
		t.Errorf("%d requests", n)
	}
	q := rep.Recipes[0]
	if q.Queue.Length != 300 || !slices.Equal(q.LeftOut, []string{"ages and attempts of 290 of 300 items"}) {
		t.Errorf("%s, left out %q", text(q), q.LeftOut)
	}
	for i := range 10 {
		w.create(fmt.Sprintf("/app/values/%d", i), "x")
	}
	rep, err = inspect.Read(t.Context(), w.a, "/", inspect.Options{Limits: inspect.Limits{Nodes: 5}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"9 nodes after the first 5"}; !slices.Equal(rep.LeftOut, want) {
		t.Errorf("left out %q: %q", rep.LeftOut, rep.Text(time.Now()))
	}
}

// The parent of sequential nodes that has nearly given out its last number is reported.
func TestSequenceEnd(t *testing.T) {
	srv := zktest.New(t)
	w := world{t, srv.Session(t), nil}
	w.create("/app/x-lock-", "", session.Ephemeral(), session.Sequential())
	srv.JumpSequence("/app", 2147483000)
	w.create("/app/x-lock-", "", session.Ephemeral(), session.Sequential())
	r := read(t, w.a, "/app").Recipes[0]
	if len(r.Findings) != 1 || r.Findings[0].Cause != inspect.CauseSequenceEnd || !strings.Contains(r.Findings[0].Text, "only 646 sequence numbers are left") {
		t.Errorf("%+v", r.Findings)
	}
}

// What the servers know about sessions is shown, and an owner whose session is cut off is
// a finding.
func TestSessions(t *testing.T) {
	srv := zktest.New(t)
	w := world{t, srv.Session(t), srv.Session(t)}
	owner := must[*lock.Lease](w)(lock.New(w.a, "/app", withID("me")).Lock(t.Context()))
	must[*lock.Place](w)(lock.New(w.b, "/app", withID("h:2")).Enter(t.Context()))
	for _, test := range []struct {
		silence  time.Duration
		absent   bool
		complete bool
		want     inspect.Connection
		cause    string
	}{
		{0, false, true, inspect.Connected, ""},
		{4 * time.Second, false, true, inspect.Connected, ""},
		{6 * time.Second, false, false, inspect.Silent, "[silent]"},
		{0, true, true, inspect.Disconnected, "[not-connected]"},
		{0, true, false, inspect.Unknown, ""},
	} {
		known := inspect.Sessions{Complete: test.complete}
		if !test.absent {
			known.Add(map[int64]inspect.SessionState{owner.SessionID(): {Client: "10.0.0.3:5123", Timeout: 10 * time.Second, Silence: test.silence}})
		}
		rep, err := inspect.Read(t.Context(), w.b, "/app", inspect.Options{Sessions: func(context.Context) inspect.Sessions { return known }})
		if err != nil {
			t.Fatal(err)
		}
		r := rep.Recipes[0]
		causes := ""
		for _, f := range r.Findings {
			causes += "[" + string(f.Cause) + "]"
		}
		if o := r.Owners[0]; !test.absent && (o.Client != "10.0.0.3:5123" || o.Host != "10.0.0.3") {
			t.Errorf("the client is %s, the host %s", o.Client, o.Host)
		}
		if got := r.Owners[0].Connected; got != test.want || causes != test.cause {
			t.Errorf("%+v: connected is %s, findings %s", test, got, causes)
		}
	}
}

// Watch yields a report after each change, and leaves no watch.
func TestWatch(t *testing.T) {
	target := zktest.Open(t)
	a, b := target.Session(t), target.Session(t)
	const path = "/lock"
	w := world{t, a, b}
	first := must[*lock.Lease](w)(lock.New(a, path, withID("h:1")).Lock(t.Context()))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	step := 0
	for rep, err := range inspect.Watch(ctx, b, path, inspect.Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		got := "-"
		if rep != nil && len(rep.Recipes) > 0 {
			got = text(rep.Recipes[0])
		}
		switch {
		case step == 0 && got == "lock: lock (curator); owner h:1 held":
			must[*lock.Place](w)(lock.New(a, path, withID("h:2")).Enter(t.Context()))
			step++
		case step == 1 && got == "lock: lock (curator); owner h:1; waiter h:2":
			if err := first.Unlock(t.Context()); err != nil {
				t.Fatal(err)
			}
			step++
		case step == 2 && got == "lock: lock (curator); owner h:2":
			step++
			cancel()
		}
	}
	if step != 3 {
		t.Errorf("step %d", step)
	}
	testkit.NoWatches(t, target, b)
}

// Watch notices that a worker claims a task.
func TestWatchTasks(t *testing.T) {
	srv := zktest.New(t)
	w := world{t, srv.Session(t), srv.Session(t)}
	w.create("/pool/tasks/task-0000000000", "x")
	w.create("/pool/workers/w", "10.0.0.1:80", session.Ephemeral())
	w.create("/pool/assign/w/task-0000000000", "")
	claimed := false
	for rep, err := range inspect.Watch(t.Context(), w.b, "/pool", inspect.Options{}) {
		if err != nil {
			t.Fatal(err)
		}
		tasks := rep.Recipes[0].Tasks
		if tasks.Running == 1 {
			break
		}
		if !claimed && tasks.Assigned == 1 {
			claimed = true
			w.create("/pool/assign/w/task-0000000000/claim", "", session.Ephemeral())
		}
	}
}
