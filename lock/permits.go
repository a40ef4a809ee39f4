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

// semaphoreLayout is the paths and names of a semaphore's nodes.
type semaphoreLayout struct {
	lock       string         // the line for the right to take permits
	leases     string         // the parent of the taken permits
	permit     *regexp.Regexp // matches the name of a permit's node
	name       func(guid string) string
	sequential bool
}

var (
	curatorPermit = regexp.MustCompile(`-lease-(-[0-9]{9,10}|[0-9]{10})$`)
	kazooPermit   = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

func (l Layout) semaphore(path string) semaphoreLayout {
	if l == Kazoo {
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

func (l semaphoreLayout) node(data []byte) lease.Replacement {
	return lease.Replacement{Path: session.Join(l.leases, l.name(session.GUID())), Data: data, Sequential: l.sequential}
}

// permitsIn returns the names of permits in a listing. If the parent does not exist, no
// permit is taken.
func (l semaphoreLayout) permitsIn(names []string, err error) ([]string, error) {
	if errors.Is(err, session.ErrNoNode) {
		return nil, nil
	}
	var permits []string
	for _, name := range names {
		if l.permit.MatchString(name) {
			permits = append(permits, name)
		}
	}
	return permits, err
}

// paths returns the paths of the nodes of permits.
func (l semaphoreLayout) paths(permits []string) []string {
	paths := make([]string, len(permits))
	for i, name := range permits {
		paths[i] = session.Join(l.leases, name)
	}
	return paths
}

// watchTaken returns the taken permits and a watch for the next that is taken or
// released. It also records the limit and creates missing parents, so the caller must
// have the right to take permits.
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

// limitData returns the data of the permits' parent: the limit if it is recorded in that
// node, otherwise nil.
func (m *Semaphore) limitData() []byte {
	if m.layout.leases != m.path {
		return nil
	}
	return []byte(strconv.Itoa(m.n))
}

// create creates a container unless the node exists. Before ZooKeeper 3.5.3 it creates a
// persistent node.
func (m *Semaphore) create(ctx context.Context, e *session.Epoch, path string, data []byte) error {
	_, _, err := e.Create(ctx, path, data, session.Container(), session.Parents())
	if errors.Is(err, session.ErrUnsupported) {
		_, _, err = e.Create(ctx, path, data, session.Parents())
	}
	if errors.Is(err, session.ErrNodeExists) || errors.Is(err, session.ErrUnknown) && ctx.Err() == nil {
		return nil // if it was not created, the caller finds out and calls create again
	}
	return err
}

// recordLimit writes the limit into the node at the semaphore's path if the node is
// empty, and otherwise compares it.
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

// readLimit reads the node that records the limit. It fails if the limit is a different
// one. If the node does not exist, Node.Err is session.ErrNoNode.
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
		err = fmt.Errorf("%w: want %d, recorded is %d", ErrLimit, m.n, limit)
	default:
		return n, nil
	}
	return n, &session.OpError{Package: "lock", Op: "acquire", Path: m.path, Err: err}
}

// listTaken returns the taken permits, and compares the limit.
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

// encodeRequest returns the data of a node in the line: the number of permits that it
// waits for and the contender's id.
func encodeRequest(k int, id string) []byte { return []byte(strconv.Itoa(k) + " " + id) }

// decodeRequest returns the number of permits that a node in the line waits for. Nodes of
// other libraries wait for one permit each.
func decodeRequest(data []byte) int {
	number, _, _ := bytes.Cut(data, []byte{' '})
	if k, err := strconv.Atoi(string(number)); err == nil && k > 0 {
		return k
	}
	return 1
}

// checkFree returns ErrLocked unless there are enough permits for all callers ahead in
// the line and k more. If there are, a wait in the line does not depend on a release.
func (m *Semaphore) checkFree(ctx context.Context, w *line.Waiter, k int) error {
	for {
		ahead, changed, err := w.Ahead(ctx)
		if err != nil {
			return err
		}
		changed.Close()
		// A caller ahead takes its permits in the transaction that deletes its node in the
		// line. So the permits of nodes that still exist after the listing of permits are
		// not in that listing.
		taken, err := m.listTaken(ctx, w.Epoch())
		if err != nil {
			return err
		}
		nodes, err := w.Epoch().Nodes(ctx, ahead...)
		if err != nil {
			return err
		}
		waiting, left := 0, false // left: a caller ahead has left the line since
		for _, n := range nodes {
			left = left || errors.Is(n.Err, session.ErrNoNode)
			waiting += decodeRequest(n.Data)
		}
		switch {
		case left:
		case len(taken)+waiting+k > m.n:
			var blockers lease.Blockers
			blocked, err := blockers.Check(ctx, w.Epoch(), append(ahead, taken...)...)
			return errors.Join(noPermitsError{len(taken), waiting, k, m.n, blocked}, err)
		default:
			return nil
		}
	}
}
