package lock

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/internal/recipe/lease"
	"github.com/zkrecipes/zkrecipes/internal/recipe/line"
	"github.com/zkrecipes/zkrecipes/session"
)

// semaphoreLayout is where a semaphore keeps what.
type semaphoreLayout struct {
	lock       string         // the line of those who would take permits
	leases     string         // the parent of the permits that were taken
	permit     *regexp.Regexp // their names
	name       func(guid string) string
	sequential bool
}

var (
	curatorPermit = regexp.MustCompile(`-lease-(-[0-9]{9,10}|[0-9]{10})$`)
	kazooPermit   = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

func (n Layout) semaphore(path string) semaphoreLayout {
	if n == Kazoo {
		return semaphoreLayout{
			lock: path + "-__lock__", leases: path, permit: kazooPermit,
			name: func(guid string) string { return strings.ReplaceAll(guid, "-", "") },
		}
	}
	return semaphoreLayout{
		lock: session.Join(path, "locks"), leases: session.Join(path, "leases"), permit: curatorPermit,
		name:       func(guid string) string { return "_c_" + guid + "-lease-" },
		sequential: true,
	}
}

func (y semaphoreLayout) node(data []byte) lease.Replacement {
	return lease.Replacement{Path: session.Join(y.leases, y.name(session.GUID())), Data: data, Sequential: y.sequential}
}

// permitsIn picks the permits out of a list of children. Where there is no such
// parent, none is taken.
func (y semaphoreLayout) permitsIn(names []string, err error) ([]string, error) {
	if errors.Is(err, session.ErrNoNode) {
		return nil, nil
	}
	var permits []string
	for _, name := range names {
		if y.permit.MatchString(name) {
			permits = append(permits, name)
		}
	}
	return permits, err
}

// paths are the nodes of permits.
func (y semaphoreLayout) paths(permits []string) []string {
	paths := make([]string, len(permits))
	for i, name := range permits {
		paths[i] = session.Join(y.leases, name)
	}
	return paths
}

// watchTaken lists the permits that are taken, and watches for the next that is taken
// or comes back. It is for whoever has the right to take some: it also records
// the limit, and creates what is missing.
func (m *Semaphore) watchTaken(ctx context.Context, e *session.Epoch) (permits []string, changed *session.Watch, err error) {
	for {
		limit := make(chan error, 1)
		go func() { limit <- m.recordLimit(ctx, e) }()
		names, _, w, err := e.WatchChildren(ctx, m.layout.leases)
		if lerr := <-limit; lerr != nil && err == nil {
			w.Close()
			return nil, nil, lerr
		}
		if errors.Is(err, session.ErrNoNode) {
			if err := m.create(ctx, e, m.layout.leases, m.limitData()); err != nil {
				return nil, nil, err
			}
			continue
		}
		permits, err := m.layout.permitsIn(names, err)
		return m.layout.paths(permits), w, err
	}
}

// limitData is what the parent of the permits holds: if it is also the node that
// the limit is recorded in, the limit.
func (m *Semaphore) limitData() []byte {
	if m.layout.leases != m.path {
		return nil
	}
	return []byte(strconv.Itoa(m.n))
}

// create makes a container, or before ZooKeeper 3.5.3 a persistent node, unless
// there is one.
func (m *Semaphore) create(ctx context.Context, e *session.Epoch, path string, data []byte) error {
	_, _, err := e.Create(ctx, path, data, session.Container(), session.Parents())
	if errors.Is(err, session.ErrUnsupported) {
		_, _, err = e.Create(ctx, path, data, session.Parents())
	}
	if errors.Is(err, session.ErrNodeExists) || errors.Is(err, session.ErrUnknown) && ctx.Err() == nil {
		return nil // or it is looked for again
	}
	return err
}

// recordLimit writes the limit into the node at the semaphore's path if that is empty,
// and compares it if not.
func (m *Semaphore) recordLimit(ctx context.Context, e *session.Epoch) error {
	for {
		n, err := m.readLimit(ctx, e)
		if err != nil || n.Err != nil || len(n.Data) > 0 {
			return err
		}
		_, err = e.Txn(ctx, session.OpSet(m.path, []byte(strconv.Itoa(m.n)), n.Stat.Version))
		if err == nil || ctx.Err() != nil || !errors.Is(err, session.ErrBadVersion) && !errors.Is(err, session.ErrUnknown) {
			return err
		}
	}
}

// readLimit reads the node that the limit is recorded in, and fails if it is another.
// Node.Err says that there is none.
func (m *Semaphore) readLimit(ctx context.Context, e *session.Epoch) (session.Node, error) {
	nodes, err := e.Nodes(ctx, m.path)
	if err != nil {
		return session.Node{}, err
	}
	n := nodes[0]
	if n.Err != nil && !errors.Is(n.Err, session.ErrNoNode) {
		return n, n.Err
	}
	if len(n.Data) == 0 {
		return n, nil
	}
	limit, err := strconv.Atoi(string(n.Data))
	switch {
	case err != nil || strconv.Itoa(limit) != string(n.Data):
		err = fmt.Errorf("%w: %.40q is not a limit of permits", codec.ErrMalformed, n.Data)
	case limit != m.n:
		err = fmt.Errorf("%w: %d are recorded, and not %d", ErrLimit, limit, m.n)
	default:
		return n, nil
	}
	return n, &session.OpError{Package: "lock", Op: "acquire", Path: m.path, Err: err}
}

// listTaken lists the permits that are taken, and compares the limit.
func (m *Semaphore) listTaken(ctx context.Context, e *session.Epoch) (permits []string, err error) {
	limit := make(chan error, 1)
	go func() {
		_, err := m.readLimit(ctx, e)
		limit <- err
	}()
	permits, err = m.layout.permitsIn(e.Children(ctx, m.layout.leases))
	if lerr := <-limit; err == nil {
		err = lerr
	}
	return m.layout.paths(permits), err
}

// The nodes of those who stand in line say how many permits they want, and of
// whom they are.

func encodeRequest(k int, id string) []byte { return []byte(strconv.Itoa(k) + " " + id) }

// decodeRequest is how many permits one in line wants. Other libraries' take one at a
// time.
func decodeRequest(data []byte) int {
	number, _, _ := bytes.Cut(data, []byte{' '})
	if k, err := strconv.Atoi(string(number)); err == nil && k > 0 {
		return k
	}
	return 1
}

// checkFree returns ErrLocked unless there are permits for all who are ahead in line,
// and for one who wants k. Then the wait in line is not one for permits.
func (m *Semaphore) checkFree(ctx context.Context, p *line.Waiter, k int) error {
	for {
		paths, changed, err := p.Ahead(ctx)
		if err != nil {
			return err
		}
		changed.Close()
		// Whoever is ahead and takes its permits does so in the moment in which it
		// leaves the line. So those who are still there when the permits have been
		// counted are not among these.
		taken, err := m.listTaken(ctx, p.Epoch())
		if err != nil {
			return err
		}
		nodes, err := p.Epoch().Nodes(ctx, paths...)
		if err != nil {
			return err
		}
		all, left := len(taken)+k, false
		for _, n := range nodes {
			left = left || errors.Is(n.Err, session.ErrNoNode)
			all += decodeRequest(n.Data)
		}
		switch {
		case left:
		case all > m.n:
			var blockers lease.Blockers
			blocked, err := blockers.Check(ctx, p.Epoch(), append(paths, taken...)...)
			return errors.Join(noPermits{blocked}, err)
		default:
			return nil
		}
	}
}
