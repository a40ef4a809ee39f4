// Package api tests what the packages of recipes have in common.
package api

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/zkrecipes/zkrecipes/barrier"
	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/lock"
	"github.com/zkrecipes/zkrecipes/membership"
	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/tasks"
	"github.com/zkrecipes/zkrecipes/zktest"
)

type call func(ctx context.Context) error

// of drops the result of a call.
func of[T any](f func(context.Context) (T, error)) call {
	return func(ctx context.Context) error { _, err := f(ctx); return err }
}

// first is the error of the first pair of an iterator.
func first[T any](f func(context.Context) iter.Seq2[T, error]) call {
	return func(ctx context.Context) error {
		for _, err := range f(ctx) {
			return err
		}
		return nil
	}
}

func lockCalls(m *lock.Mutex) map[string]call {
	return map[string]call{
		"Lock": of(m.Lock), "TryLock": of(m.TryLock), "Enter": of(m.Enter), "Contenders": of(m.Contenders),
		"Revoke": func(ctx context.Context) error { return m.Revoke(ctx) },
		"Do": func(ctx context.Context) error {
			return m.Do(ctx, func(context.Context, *lock.Lease) error { return nil })
		},
	}
}

func rwCalls(m *lock.RWMutex) map[string]call {
	return map[string]call{
		"Lock": of(m.Lock), "TryLock": of(m.TryLock), "RLock": of(m.RLock), "TryRLock": of(m.TryRLock),
		"Enter": of(m.Enter), "REnter": of(m.REnter), "Contenders": of(m.Contenders),
		"Revoke": func(ctx context.Context) error { return m.Revoke(ctx) },
	}
}

func semaphoreCalls(m *lock.Semaphore) map[string]call {
	return map[string]call{
		"Acquire": of(m.Acquire), "TryAcquire": of(m.TryAcquire), "Remaining": of(m.Remaining), "Holders": of(m.Holders),
		"Revoke": func(ctx context.Context) error { return m.Revoke(ctx) },
	}
}

func multiCalls(m *lock.Multi) map[string]call {
	return map[string]call{"Lock": of(m.Lock), "TryLock": of(m.TryLock)}
}

func electionCalls(e *election.Election) map[string]call {
	return map[string]call{
		"Campaign": of(e.Campaign), "TryCampaign": of(e.TryCampaign), "Leader": of(e.Leader), "Observe": first(e.Observe),
		"Run": func(ctx context.Context) error {
			return e.Run(ctx, func(context.Context, *election.Term) error { return nil })
		},
	}
}

func barrierCalls(b *barrier.Barrier) map[string]call {
	return map[string]call{"Raise": b.Raise, "Lower": b.Lower, "Raised": of(b.Raised), "Wait": b.Wait}
}

func doubleCalls(d *barrier.Double) map[string]call {
	return map[string]call{
		"Enter": of(d.Enter),
		"Do": func(ctx context.Context) error {
			return d.Do(ctx, func(context.Context, *barrier.Entry) error { return nil })
		},
	}
}

func queueCalls(q *queue.Queue[string]) map[string]call {
	return map[string]call{
		"Push": func(ctx context.Context) error { _, err := q.Push(ctx, "v"); return err },
		"Pop":  of(q.Pop), "TryPop": of(q.TryPop), "Claim": of(q.Claim), "TryClaim": of(q.TryClaim), "Peek": of(q.Peek), "Len": of(q.Len),
		"All": first(q.All), "DeadLetters": first(q.DeadLetters),
		"Requeue": func(ctx context.Context) error { return q.Requeue(ctx, "id") },
		"Drop":    func(ctx context.Context) error { return q.Drop(ctx, "id") },
		"Consume": func(ctx context.Context) error {
			return q.Consume(ctx, func(context.Context, *queue.Item[string]) error { return nil })
		},
	}
}

func configCalls(s *session.Session, path string, c codec.Codec[string], opts ...config.Option) map[string]call {
	calls := map[string]call{
		"Open":     func(ctx context.Context) error { _, err := config.Open(ctx, s, path, c, opts...); return err },
		"OpenOr":   func(ctx context.Context) error { _, err := config.OpenOr(ctx, s, path, c, "", opts...); return err },
		"OpenTree": func(ctx context.Context) error { _, err := config.OpenTree(ctx, s, path, c, opts...); return err },
	}
	if opts == nil {
		calls["Get"] = func(ctx context.Context) error { _, err := config.Get(ctx, s, path, c); return err }
		calls["Put"] = func(ctx context.Context) error { _, err := config.Put(ctx, s, path, c, "", 0); return err }
		calls["Update"] = func(ctx context.Context) error {
			_, err := config.Update(ctx, s, path, c, func(v string) (string, error) { return v, nil })
			return err
		}
	}
	return calls
}

func sequenceCalls(q *naming.Sequence) map[string]call {
	return map[string]call{
		"Next": of(q.Next), "Last": of(q.Last),
		"Reserve": func(ctx context.Context) error { _, err := q.Reserve(ctx, 1); return err },
	}
}

func slotsCalls(p *naming.Slots) map[string]call {
	return map[string]call{
		"Acquire": of(p.Acquire), "TryAcquire": of(p.TryAcquire), "Holders": of(p.Holders),
		"Do": func(ctx context.Context) error {
			return p.Do(ctx, func(context.Context, *naming.Slot) error { return nil })
		},
	}
}

func directoryCalls(d *naming.Directory) map[string]call {
	return map[string]call{
		"Bind":   func(ctx context.Context) error { return d.Bind(ctx, "a", []byte("v")) },
		"Rebind": func(ctx context.Context) error { return d.Rebind(ctx, "a", []byte("v")) },
		"Link":   func(ctx context.Context) error { return d.Link(ctx, "a", "b") },
		"Unbind": func(ctx context.Context) error { return d.Unbind(ctx, "a") },
		"Lookup": func(ctx context.Context) error { _, err := d.Lookup(ctx, "a"); return err },
		"List":   func(ctx context.Context) error { _, err := d.List(ctx, ""); return err },
		"Watch": first(func(ctx context.Context) iter.Seq2[[]naming.Entry, error] {
			return d.Watch(ctx, "")
		}),
	}
}

func groupCalls(g *membership.Group) map[string]call {
	return map[string]call{
		"Join":    func(ctx context.Context) error { _, err := g.Join(ctx, "id", nil); return err },
		"Members": of(g.Members), "Watch": first(g.Watch),
	}
}

func registryCalls(r *registry.Registry) map[string]call {
	return map[string]call{
		"Register": func(ctx context.Context) error {
			_, err := r.Register(ctx, registry.Instance{Service: "web", Addr: "10.0.0.1:80"})
			return err
		},
		"Resolve":  func(ctx context.Context) error { _, err := r.Resolve(ctx, "web"); return err },
		"Lookup":   func(ctx context.Context) error { _, err := r.Lookup(ctx, "web"); return err },
		"Services": of(r.Services), "WatchAll": first(r.WatchAll),
		"Watch": first(func(ctx context.Context) iter.Seq2[[]registry.Instance, error] { return r.Watch(ctx, "web") }),
	}
}

func poolCalls(p *tasks.Pool[string, string]) map[string]call {
	return map[string]call{
		"Submit": func(ctx context.Context) error { _, err := p.Submit(ctx, "x"); return err },
		"List":   of(p.List), "Master": func(ctx context.Context) error { return p.Master(ctx) },
		"Wait": func(ctx context.Context) error { _, err := p.Ticket("task-0000000000").Wait(ctx); return err },
		"Work": func(ctx context.Context) error {
			return p.Work(ctx, "w", func(context.Context, tasks.Task[string]) (string, error) { return "", nil })
		},
	}
}

// on makes every recipe at a path.
func on(s *session.Session, path string) map[string]map[string]call {
	text := codec.Text()
	return map[string]map[string]call{
		"lock.Mutex": lockCalls(lock.New(s, path)), "lock.RWMutex": rwCalls(lock.NewRW(s, path)),
		"lock.Semaphore": semaphoreCalls(lock.NewSemaphore(s, path, 1)), "lock.Multi": multiCalls(lock.NewMulti(s, []string{path})),
		"lock.Mutex with handoff":             lockCalls(lock.New(s, path, lock.WithLocalHandoff(1))),
		"election.Election":                   electionCalls(election.New(s, path)),
		"election.Election with a fixed node": electionCalls(election.New(s, path, election.WithFixedNode("leader"))),
		"barrier.Barrier":                     barrierCalls(barrier.New(s, path)), "barrier.Double": doubleCalls(barrier.NewDouble(s, path, 1)),
		"queue.Queue": queueCalls(queue.New(s, path, text)), "config.": configCalls(s, path, text),
		"naming.Sequence": sequenceCalls(naming.NewSequence(s, path)), "naming.Slots": slotsCalls(naming.NewSlots(s, path, 1)),
		"naming.Sequence by nodes": {"Next": of(naming.NewSequence(s, path, naming.WithSequentialNodes()).Next)},
		"naming.Directory":         directoryCalls(naming.NewDirectory(s, path)), "membership.Group": groupCalls(membership.New(s, path)),
		"registry.Registry": registryCalls(registry.New(s, path)), "tasks.Pool": poolCalls(tasks.New(s, path, text, text)),
	}
}

// A bad argument of a constructor makes every call fail with an error that says which.
func TestBadArguments(t *testing.T) {
	s := zktest.New(t).Session(t)
	text := codec.Text()
	tests := map[string]struct {
		recipes map[string]map[string]call
		says    string
	}{
		"nil session": {on(nil, "/a"), "the session is nil"},
		"bad path":    {on(s, "/a/../b"), `path "/a/../b" has a relative element`},
		"unknown layout": {map[string]map[string]call{
			"lock.Mutex":     lockCalls(lock.New(s, "/a", lock.WithLayout(99))),
			"lock.RWMutex":   rwCalls(lock.NewRW(s, "/a", lock.WithLayout(99))),
			"lock.Semaphore": semaphoreCalls(lock.NewSemaphore(s, "/a", 1, lock.WithLayout(99))),
			"barrier.Double": doubleCalls(barrier.NewDouble(s, "/a", 1, barrier.WithLayout(99))),
			"queue.Queue":    queueCalls(queue.New(s, "/a", text, queue.WithLayout(99))),
			"membership":     groupCalls(membership.New(s, "/a", membership.WithLayout(99))),
			"registry":       registryCalls(registry.New(s, "/a", registry.WithLayout(99))),
		}, "unknown layout 99"},
		"number": {map[string]map[string]call{
			"lock.Mutex":      lockCalls(lock.New(s, "/a", lock.WithLocalHandoff(-1))),
			"lock.Semaphore":  semaphoreCalls(lock.NewSemaphore(s, "/a", -1)),
			"barrier.Double":  doubleCalls(barrier.NewDouble(s, "/a", -1)),
			"config.":         configCalls(s, "/a", text, config.WithHistory(-1)),
			"naming.Slots":    slotsCalls(naming.NewSlots(s, "/a", -1)),
			"naming.Sequence": sequenceCalls(naming.NewSequence(s, "/a", naming.WithBlock(-1))),
			"naming.Links":    directoryCalls(naming.NewDirectory(s, "/a", naming.WithMaxLinks(-1))),
		}, "is -1, want at least"},
		"nil codec": {map[string]map[string]call{
			"queue.Queue": queueCalls(queue.New[string](s, "/a", nil)),
			"config.":     configCalls(s, "/a", nil),
			"tasks.Pool":  poolCalls(tasks.New[string, string](s, "/a", nil, text)),
		}, "codec is nil"},
		"id": {map[string]map[string]call{
			"election.Election": electionCalls(election.New(s, "/a", election.WithID("a\nb"))),
		}, "an id must not"},
		"nil function": {map[string]map[string]call{
			"lock.Mutex":        {"Do": func(ctx context.Context) error { return lock.New(s, "/a").Do(ctx, nil) }},
			"lock.RWMutex":      {"RDo": func(ctx context.Context) error { return lock.NewRW(s, "/a").RDo(ctx, nil) }},
			"lock.Semaphore":    {"Do": func(ctx context.Context) error { return lock.NewSemaphore(s, "/a", 1).Do(ctx, nil) }},
			"naming.Slots":      {"Do": func(ctx context.Context) error { return naming.NewSlots(s, "/a", 1).Do(ctx, nil) }},
			"barrier.Double":    {"Do": func(ctx context.Context) error { return barrier.NewDouble(s, "/a", 1).Do(ctx, nil) }},
			"lock.Multi":        {"Do": func(ctx context.Context) error { return lock.NewMulti(s, []string{"/a"}).Do(ctx, nil) }},
			"election.Election": {"Run": func(ctx context.Context) error { return election.New(s, "/a").Run(ctx, nil) }},
			"queue.Queue":       {"Consume": func(ctx context.Context) error { return queue.New(s, "/a", text).Consume(ctx, nil) }},
			"tasks.Pool":        {"Work": func(ctx context.Context) error { return tasks.New(s, "/a", text, text).Work(ctx, "w", nil) }},
			"config.": {"Update": func(ctx context.Context) error {
				_, err := config.Update(ctx, s, "/a", text, nil)
				return err
			}},
		}, ""},
	}
	for name, tt := range tests {
		for recipe, calls := range tt.recipes {
			for call, do := range calls {
				t.Run(name+"/"+recipe+"."+call, func(t *testing.T) {
					err := do(t.Context())
					var oe *session.OpError
					if !errors.Is(err, session.ErrInvalid) || !errors.As(err, &oe) || !strings.Contains(err.Error(), tt.says) {
						t.Fatalf("%v", err)
					}
					pkg, _, _ := strings.Cut(recipe, ".")
					if oe.Package != pkg || !strings.HasPrefix(err.Error(), pkg+": ") {
						t.Errorf("the error names the package %q: %v", oe.Package, err)
					}
				})
			}
		}
	}
}
