package naming

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/presence"
	"github.com/zkrecipes/zkrecipes/internal/recipe/refusal"
	"github.com/zkrecipes/zkrecipes/session"
)

// Errors of directories that callers test for with errors.Is.
var (
	// ErrBound is returned if the name is bound already.
	ErrBound = errors.New("naming: name is bound")
	// ErrNotBound is returned if the name is not bound.
	ErrNotBound = errors.New("naming: name is not bound")
	// ErrLinks is returned if a name leads through more links than WithMaxLinks
	// permits, for example because the links form a cycle.
	ErrLinks = errors.New("naming: too many links")
)

// Directory binds names to values. Names are hierarchical, such as "printers/floor2":
// each is a node below the directory's root, and a bound name may have other names
// below it. It is safe for concurrent use.
//
// A node is bound if it has data or is ephemeral. A node without data only leads to
// other names, so values cannot be empty. Nodes that other programs create below the
// root are treated in the same way.
//
// Bindings made with WithEphemeral belong to the Directory value: another Directory
// for the same root, also of the same session, does not maintain them.
type Directory struct {
	argErr  error // of NewDirectory; every call returns it
	session *session.Session
	root    string
	options directoryOptions

	mu        sync.Mutex
	announced map[string]*presence.Announcement // by path
}

// DirectoryOption configures a Directory.
type DirectoryOption func(*directoryOptions)

type directoryOptions struct{ links int }

// WithMaxLinks sets how many links may be followed for one name; the default is 8. If
// n is negative, calls return session.ErrInvalid.
func WithMaxLinks(n int) DirectoryOption {
	return func(o *directoryOptions) { o.links = n }
}

// NewDirectory returns the directory at root. It sends nothing.
func NewDirectory(s *session.Session, root string, opts ...DirectoryOption) *Directory {
	o := directoryOptions{links: 8}
	for _, opt := range opts {
		opt(&o)
	}
	return &Directory{
		argErr:  args.Check("naming", s, root, args.AtLeast(0, "the number of links", o.links)),
		session: s, root: root, options: o, announced: make(map[string]*presence.Announcement),
	}
}

// BindOption selects how a name is bound. By default a binding is permanent.
type BindOption func(*bindOptions)

type bindOptions struct{ ephemeral bool }

// WithEphemeral binds a name until Unbind or until this process closes its session.
// After an expiry the name is bound again, in the next ZooKeeper session. There can be
// no names below it.
func WithEphemeral() BindOption { return func(o *bindOptions) { o.ephemeral = true } }

// Bind binds a name to a value. The error is ErrBound if the name is bound already,
// also if it is a link. Links in the elements before the last are followed. Missing
// nodes that lead to the name are created.
//
// If ctx is done first, an ephemeral binding is undone. For a permanent one,
// session.ErrUnknown means that it may have been made.
//
// Bind takes two round trips, a read of the nodes that lead to the name and a
// transaction, whose outcome is looked up if the reply is lost. An ephemeral binding
// is an announcement: its node is created again in every epoch.
func (d *Directory) Bind(ctx context.Context, name string, value []byte, opts ...BindOption) error {
	if err := d.checkValue(value); err != nil {
		return d.errorOf("bind", name, err)
	}
	return d.errorOf("bind", name, d.bind(ctx, name, value, opts))
}

// Link binds a name to another name, which need not be bound: a Lookup of the first
// returns the value of the second. Like Bind it fails with ErrBound.
func (d *Directory) Link(ctx context.Context, name, to string) error {
	if err := checkName(to); err != nil {
		return d.errorOf("link", name, err)
	}
	return d.errorOf("link", name, d.bind(ctx, name, []byte(linkMark+to), nil))
}

func (d *Directory) bind(ctx context.Context, name string, data []byte, opts []BindOption) error {
	var o bindOptions
	for _, opt := range opts {
		opt(&o)
	}
	for {
		w, err := d.resolve(ctx, name, false)
		switch {
		case err != nil:
			return err
		case o.ephemeral && !w.broken:
			return d.announce(ctx, w.path, data)
		case !o.ephemeral:
			if err := d.create(ctx, w.path, data); !errors.Is(err, session.ErrNoNode) {
				return err
			}
		}
		if err := d.createMissing(ctx, w); err != nil {
			return err
		}
	}
}

// create makes a permanent binding at path.
func (d *Directory) create(ctx context.Context, path string, data []byte) error {
	for {
		err := d.write(ctx, session.OpCreate(path, data))
		if !errors.Is(err, session.ErrNodeExists) {
			return err // session.ErrNoNode if the parent is missing
		}
		n, err := d.read(ctx, path)
		switch {
		case errors.Is(err, session.ErrNoNode):
			continue
		case err != nil:
			return err
		case bound(n):
			return boundBy(n)
		case n.Stat.EphemeralOwner == math.MinInt64:
			return fmt.Errorf("%w: the node is a container, which is deleted with the last name below it", session.ErrInvalid)
		}
		err = d.write(ctx, session.OpSet(path, data, n.Stat.Version))
		if !refusal.IsConflict(err) {
			return err
		}
	}
}

// announce makes an ephemeral binding at path.
func (d *Directory) announce(ctx context.Context, path string, data []byte) error {
	d.mu.Lock()
	_, own := d.announced[path]
	d.mu.Unlock()
	if own {
		return fmt.Errorf("%w: by this Directory", ErrBound)
	}
	p, err := presence.Announce(ctx, d.session, presence.Node{
		Package: "naming",
		Path:    path, Data: data, IfExists: presence.Refuse,
		Errors: presence.Errors{Duplicate: ErrBound, Occupied: ErrBound, Withdrawn: ErrNotBound},
	})
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.announced[path] = p
	return nil
}

// Rebind binds a name to a value whether the name is bound or not. If the name is a
// link, the link is replaced. A binding that this Directory made with WithEphemeral
// stays ephemeral. Any other binding is replaced by one as the options select.
//
// The error is session.ErrNotEmpty if the new binding is to be ephemeral and there are
// names below it. The cost and the other errors are those of Bind, except ErrBound.
func (d *Directory) Rebind(ctx context.Context, name string, value []byte, opts ...BindOption) error {
	err := d.checkValue(value)
	if err == nil {
		err = d.rebind(ctx, name, value, opts)
	}
	return d.errorOf("rebind", name, err)
}

func (d *Directory) rebind(ctx context.Context, name string, value []byte, opts []BindOption) error {
	for {
		err := d.bind(ctx, name, value, opts)
		if !errors.Is(err, ErrBound) {
			return err
		}
		w, err := d.resolve(ctx, name, false)
		if err != nil {
			return err
		}
		if p := d.announcementOf(w.path); p != nil {
			return p.Update(ctx, value)
		}
		n, err := d.read(ctx, w.path)
		if errors.Is(err, session.ErrNoNode) {
			continue
		}
		if err != nil {
			return err
		}
		var o bindOptions
		for _, opt := range opts {
			opt(&o)
		}
		if o.ephemeral {
			// A node cannot change its owner: delete it and create a new one. A node
			// with children cannot be deleted.
			err = d.write(ctx, session.OpDelete(w.path, n.Stat.Version))
			if err == nil {
				continue
			}
		} else {
			err = d.write(ctx, session.OpSet(w.path, value, n.Stat.Version))
		}
		if !refusal.IsConflict(err) {
			return err
		}
	}
}

// Unbind removes a binding of any kind, also one that another client made. If the name
// is a link, the link is removed. The error is ErrNotBound if the name is not bound.
// Nodes that lead to no other name are deleted too.
//
// If another process maintains the binding with WithEphemeral, that process creates it
// again.
func (d *Directory) Unbind(ctx context.Context, name string) error {
	return d.errorOf("unbind", name, d.unbind(ctx, name))
}

func (d *Directory) unbind(ctx context.Context, name string) error {
	for {
		w, err := d.resolve(ctx, name, false)
		if err != nil {
			return err
		}
		if p := d.announcementOf(w.path); p != nil {
			d.mu.Lock()
			delete(d.announced, w.path)
			d.mu.Unlock()
			err = p.Withdraw(ctx)
		} else {
			n, rerr := d.read(ctx, w.path)
			switch {
			case errors.Is(rerr, session.ErrNoNode), rerr == nil && !bound(n):
				return ErrNotBound
			case rerr != nil:
				return rerr
			}
			err = d.clear(ctx, w.path, n)
		}
		if refusal.IsConflict(err) {
			continue // another client was faster: read again
		}
		if err == nil {
			d.deleteEmptyParents(ctx, w)
		}
		return err
	}
}

// clear removes a binding in the version that was read. It deletes the node, or only
// its data if there are names below it.
func (d *Directory) clear(ctx context.Context, path string, n session.Node) error {
	err := d.write(ctx, session.OpDelete(path, n.Stat.Version))
	if errors.Is(err, session.ErrNotEmpty) {
		err = d.write(ctx, session.OpSet(path, nil, n.Stat.Version))
	}
	return err
}

// announcementOf returns this Directory's ephemeral binding at path, or nil.
func (d *Directory) announcementOf(path string) *presence.Announcement {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.announced[path]
}

// write carries out one operation. Its outcome is known unless the session or ctx ends
// before a lost reply has been looked up.
func (d *Directory) write(ctx context.Context, op session.Op) error {
	_, err := session.InEpoch(ctx, d.session, session.OpError{}, func(e *session.Epoch) ([]session.Result, error) {
		return e.TxnDetached(ctx, nil, op)
	})
	return err
}

func (d *Directory) read(ctx context.Context, path string) (session.Node, error) {
	data, st, err := d.session.Get(ctx, path)
	return session.Node{Path: path, Data: data, Stat: st}, err
}

// bound reports whether a node binds its name.
func bound(n session.Node) bool { return len(n.Data) > 0 || n.Stat.Ephemeral() }

// boundBy returns an ErrBound that says what n is.
func boundBy(n session.Node) error {
	to, isLink := target(n.Data)
	switch {
	case isLink:
		return fmt.Errorf("%w: it is a link to %s", ErrBound, to)
	case n.Stat.Owner() != 0:
		return fmt.Errorf("%w: session %#x owns the node", ErrBound, uint64(n.Stat.Owner()))
	}
	return fmt.Errorf("%w: permanently, by transaction %v", ErrBound, n.Stat.Mzxid)
}

// checkValue refuses a value that a Lookup would not return as it is.
func (d *Directory) checkValue(value []byte) error {
	if len(value) == 0 {
		return fmt.Errorf("%w: empty value: a node without data is not bound", session.ErrInvalid)
	}
	if len(value) >= len(linkMark) && string(value[:len(linkMark)]) == linkMark {
		return fmt.Errorf("%w: a value that begins with %q would be a link", session.ErrInvalid, linkMark)
	}
	return nil
}

// errorOf adds the operation and the name to an error that has none.
func (d *Directory) errorOf(op, name string, err error) error {
	var oe *session.OpError
	if err == nil || errors.As(err, &oe) {
		return err
	}
	return &session.OpError{Package: "naming", Op: op, Path: d.path(name), Err: err}
}

// path returns the path of a name's node.
func (d *Directory) path(name string) string {
	if name == "" {
		return d.root
	}
	return session.Join(d.root, name)
}
