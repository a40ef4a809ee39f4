package zkrecipes_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/zkrecipes/zkrecipes/election"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The tests in this file are systems as articles on ZooKeeper and Go describe
// them. They run on whatever ZKTEST selects.

// patience bounds what a test waits for.
const patience = 5 * time.Minute

// await receives from c, for as long as there is patience.
func await[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(patience):
		t.Fatalf("waited in vain for %s", what)
	}
	return v
}

// stage is where masters are seen, and never two at a time.
type stage struct {
	testing.TB
	entries chan string // who has become master

	mu      sync.Mutex
	last    session.Zxid
	ours    map[string]*election.Term
	foreign map[string]bool
}

func newStage(t testing.TB) *stage {
	return &stage{TB: t, entries: make(chan string, 100), ours: make(map[string]*election.Term), foreign: make(map[string]bool)}
}

// alone checks that nobody is master. mu is held.
func (s *stage) alone(who string) {
	for other, term := range s.ours {
		if term.Err() == nil {
			s.Errorf("%s became master while %s was", who, other)
		}
	}
	for other, leads := range s.foreign {
		if leads {
			s.Errorf("%s became master while the foreign %s was", who, other)
		}
	}
}

// enter notes that one of ours has become master.
func (s *stage) enter(who string, term *election.Term) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alone(who)
	if term.Token() <= s.last {
		s.Errorf("token %v of %s came after %v", term.Token(), who, s.last)
	}
	s.last, s.ours[who] = term.Token(), term
	s.entries <- who
}

// enterForeign notes that a foreign program has.
func (s *stage) enterForeign(who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alone(who)
	s.foreign[who] = true
	s.entries <- who
}

func (s *stage) leaveForeign(who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.foreign[who] = false
}

// master returns the one of ours that is.
func (s *stage) master() (who string, term *election.Term) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for who, term := range s.ours {
		if term.Err() == nil {
			return who, term
		}
	}
	return "", nil
}

// wire is the network of one session, which can be cut.
type wire struct {
	mu    sync.Mutex
	cut   bool
	conns []net.Conn
}

func (w *wire) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut {
		c.Close()
		return nil, errors.New("the wire is cut")
	}
	w.conns = append(w.conns, c)
	return c, nil
}

// die cuts the wire for good, as the death of a process does.
func (w *wire) die() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = true
	for _, c := range w.conns {
		c.Close()
	}
}

func (w *wire) dead() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cut
}

// demo is a system of the first article: processes that elect by one node.
type demo struct {
	*stage
	target *zktest.Target
}

const (
	demoRoot = "/ElectMasterDemo"
	demoNode = demoRoot + "/master"
)

// process is one of ours.
type process struct {
	*session.Session
	wire    wire
	watches chan struct{} // tells that it watches the master's node
	done    chan error    // what its Run returned
}

// run starts a process of ours that does its job whenever it is master.
func (d *demo) run(who string) *process {
	p := &process{watches: make(chan struct{}, 1000), done: make(chan error, 1)}
	ctx, cancel := context.WithTimeout(d.Context(), patience)
	defer cancel()
	var err error
	p.Session, err = session.Connect(ctx, d.target.Connect(),
		session.WithTimeout(4*time.Second), session.WithDialer(p.wire.dial),
		session.WithHooks(session.Hooks{Request: func(r session.RequestInfo) {
			if r.Op == "exists" && r.Path == d.target.Root()+demoNode {
				p.watches <- struct{}{}
			}
		}}))
	if err != nil {
		d.Fatal(err)
	}
	d.Cleanup(func() { p.stop(d) })
	e := election.New(p.Session, demoRoot, election.WithFixedNode("master"), election.WithID(who))
	go func() {
		p.done <- e.Run(context.Background(), func(ctx context.Context, term *election.Term) error {
			d.enter(who, term)
			<-ctx.Done() // the job
			return ctx.Err()
		})
	}()
	return p
}

// stop ends the process in good order.
func (p *process) stop(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	dead := p.wire.dead()
	if dead {
		cancel()
	}
	if err := p.Close(ctx); err != nil && !dead {
		t.Error(err)
	}
}

// program is a foreign contender, which knows nothing but go-zookeeper.
type program struct {
	conn    *zk.Conn
	watches chan struct{} // tells that it watches the master's node
	done    chan struct{}
}

// runForeign starts a program that elects as the article's does: it creates the
// node, and if that is there already, watches it and tries again when it has been
// deleted.
func (d *demo) runForeign(who string) *program {
	conn, _, err := zk.Connect(strings.Split(d.target.Hosts(), ","), 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		d.Fatal(err)
	}
	p := &program{conn, make(chan struct{}, 1000), make(chan struct{})}
	node := d.target.Root() + demoNode
	go func() {
		defer close(p.done)
		for {
			_, err := conn.Create(node, []byte(who), zk.FlagEphemeral, zk.WorldACL(zk.PermAll))
			if err == nil {
				d.enterForeign(who)
				return
			}
			exists, _, events, err := conn.ExistsW(node)
			if err != nil {
				return // the connection is closed
			}
			p.watches <- struct{}{}
			if !exists {
				continue
			}
			for ev := range events {
				if ev.Type == zk.EventNodeDeleted {
					break
				}
			}
		}
	}()
	d.Cleanup(func() { d.kill(who, p) })
	return p
}

// kill closes the connection of a foreign master.
func (d *demo) kill(who string, p *program) {
	d.leaveForeign(who)
	p.conn.Close()
}

func newDemo(t *testing.T) *demo {
	d := &demo{newStage(t), zktest.Open(t)}
	s := d.target.Session(t)
	if _, _, err := s.Create(t.Context(), demoRoot, nil); err != nil { // as their first program does
		t.Fatal(err)
	}
	return d
}

// becomes waits until somebody becomes master, and tells who.
func (d *demo) becomes(t *testing.T, want ...string) string {
	t.Helper()
	who := await(t, "a master", d.entries)
	if !slices.Contains(want, who) {
		t.Errorf("%s became master, not %v", who, want)
	}
	return who
}

// Two processes: the first becomes master and does its job. When it is closed,
// the second is told of the deletion, elects, and becomes master.
func TestElectMaster(t *testing.T) {
	t.Parallel() // it waits for a session to expire
	d := newDemo(t)
	first := d.run("first")
	d.becomes(t, "first")
	second := d.run("second")
	await(t, "a watch", second.watches)
	first.stop(t)
	d.becomes(t, "second")
	if err := await(t, "the end of the first", first.done); !errors.Is(err, session.ErrClosed) {
		t.Errorf("the first ended with %v", err)
	}

	// The same, but that the process dies without a word.
	third := d.run("third")
	await(t, "a watch", third.watches)
	second.wire.die()
	d.becomes(t, "third")
}

// Ours take turns with a program of somebody else's that elects by the same node.
func TestElectMasterWithForeignProgram(t *testing.T) {
	t.Parallel() // it waits for a session to expire
	d := newDemo(t)
	first := d.run("first")
	d.becomes(t, "first")
	foreign := d.runForeign("foreign")
	await(t, "a watch", foreign.watches)
	first.stop(t)
	d.becomes(t, "foreign")

	second := d.run("second")
	await(t, "a watch", second.watches)
	d.kill("foreign", foreign)
	d.becomes(t, "second")

	foreign = d.runForeign("foreign again")
	await(t, "a watch", foreign.watches)
	second.wire.die()
	d.becomes(t, "foreign again")
}

// Two of ours and a foreign program contend all the time, and whoever becomes
// master is closed and comes back.
func TestElectMasterThrice(t *testing.T) {
	d := newDemo(t)
	ours := map[string]*process{"first": d.run("first"), "second": d.run("second")}
	foreign := d.runForeign("foreign")
	for range 20 {
		switch who := d.becomes(t, "first", "second", "foreign"); who {
		case "foreign":
			d.kill(who, foreign)
			foreign = d.runForeign(who)
		default:
			ours[who].stop(t)
			ours[who] = d.run(who)
		}
	}
}

// The server that the master is connected to stops. Either the master's session
// goes on at another server and it remains master, or another becomes master.
func TestElectMasterWhileServersStop(t *testing.T) {
	d := newDemo(t)
	if d.target.Kind == zktest.External {
		return // its servers are not ours to stop
	}
	ours := map[string]*process{}
	for _, who := range []string{"first", "second", "third"} {
		ours[who] = d.run(who)
	}
	d.becomes(t, "first", "second", "third")
	for range 3 {
		who, _ := d.master()
		if who == "" {
			who = d.becomes(t, "first", "second", "third")
		}
		restart := d.stopServer(t, ours[who].Status().Server)
		if d.target.Kind == zktest.Embedded { // there is no other server
			restart()
		}
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		for {
			if _, term := d.master(); term != nil && term.Verify(ctx) == nil {
				break
			}
			if err := ctx.Err(); err != nil {
				t.Fatal("there is no master any more")
			}
		}
		cancel()
		restart()
	}
}

// stopServer stops the server of this address.
func (d *demo) stopServer(t *testing.T, addr string) (restart func()) {
	t.Helper()
	if d.target.Kind == zktest.Embedded {
		d.target.Server.Stop()
		return sync.OnceFunc(func() {
			if err := d.target.Server.Restart(); err != nil {
				t.Fatal(err)
			}
		})
	}
	for _, n := range d.target.Cluster.Servers() {
		if n.Addr() == addr {
			n.Stop()
			return sync.OnceFunc(func() {
				if err := n.Start(t.Context()); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
	t.Fatalf("no server has the address %s", addr)
	return nil
}

// Masters register in order, as master-00001 and master-00002. The first is
// master; when it dies the second takes over; when the first comes back it
// registers as master-00003 and stays backup.
func TestMasterAndBackups(t *testing.T) {
	t.Parallel() // it waits for a session to expire
	target := zktest.Open(t)
	const path = "/masters"
	st := newStage(t)
	watcher := target.Session(t)
	type machine struct {
		*session.Session
		wire wire
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	start := func(host string) *machine {
		m := &machine{}
		var err error
		m.Session, err = session.Connect(ctx, target.Connect(), session.WithTimeout(4*time.Second), session.WithDialer(m.wire.dial))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			if m.wire.dead() {
				cancel()
			}
			defer cancel()
			m.Close(ctx)
		})
		go election.New(m.Session, path, election.WithID(host)).Run(ctx, func(ctx context.Context, term *election.Term) error {
			st.enter(host, term)
			<-ctx.Done()
			return ctx.Err()
		})
		return m
	}
	registered := func(want ...string) {
		t.Helper()
		for {
			got := registrations(t, watcher, path)
			if slices.Equal(got, want) {
				return
			}
			if ctx.Err() != nil {
				t.Fatalf("registered are %v, not %v", got, want)
			}
		}
	}
	observed := make(chan string, 100)
	go func() {
		for l, err := range election.New(watcher, path).Observe(ctx) {
			if err == nil {
				observed <- l.ID
			}
		}
	}()
	becomes := func(want string) {
		t.Helper()
		if got := await(t, "a master", st.entries); got != want {
			t.Errorf("%s became master, not %s", got, want)
		}
		for await(t, "word of "+want, observed) != want { // but for a vacancy
		}
	}

	first := start("10.0.0.1")
	becomes("10.0.0.1")
	registered("master-00001 10.0.0.1")
	second := start("10.0.0.2")
	registered("master-00001 10.0.0.1", "master-00002 10.0.0.2")

	first.wire.die()
	becomes("10.0.0.2")
	registered("master-00002 10.0.0.2")

	start("10.0.0.1")
	registered("master-00002 10.0.0.2", "master-00003 10.0.0.1")
	if who, term := st.master(); who != "10.0.0.2" || term.Verify(ctx) != nil {
		t.Errorf("the master is %q", who)
	}

	if err := second.Close(ctx); err != nil {
		t.Fatal(err)
	}
	becomes("10.0.0.1")
	registered("master-00003 10.0.0.1")
}

// registrations lists the candidates of an election in order, by the numbers that
// ZooKeeper gave them, which begin with 0.
func registrations(t *testing.T, s *session.Session, path string) []string {
	t.Helper()
	if err := s.Sync(t.Context(), "/"); err != nil {
		t.Fatal(err)
	}
	names, _, err := s.Children(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, name := range names {
		data, _, err := s.Get(t.Context(), session.Join(path, name))
		if errors.Is(err, session.ErrNoNode) {
			continue // it has just gone
		}
		n, numErr := strconv.Atoi(name[len(name)-10:])
		if err := errors.Join(err, numErr); err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprintf("master-%05d %s", n+1, data))
	}
	slices.Sort(list)
	return list
}
