package naming

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/zkrecipes/zkrecipes/internal/recipe/args"
	"github.com/zkrecipes/zkrecipes/internal/recipe/presence"
	"github.com/zkrecipes/zkrecipes/session"
)

// Errors of directories, to decide by with errors.Is.
var (
	// ErrBound says that the name is bound already.
	ErrBound = errors.New("naming: name is bound")
	// ErrNotBound says that the name is not bound.
	ErrNotBound = errors.New("naming: name is not bound")
	// ErrLinks says that a lookup met more links than it may follow, which may be
	// because they lead in a circle.
	ErrLinks = errors.New("naming: too many links")
)

// Directory binds names to values. Names are hierarchical, "printers/floor2": each
// is a node below the directory's own, and a name may be bound and have others
// below it. It is safe for concurrent use. The bindings that it keeps up, those
// made with Ephemeral, are the Directory's: another one for the same root, also of
// the same session, knows nothing of them.
//
// A node is bound if it has data, or is ephemeral; one without data only leads to
// others. So values cannot be empty. Whatever other programs create below the root
// is seen in the same way.
type Directory struct {
	argErr  error // of NewDirectory: what every call returns
	session *session.Session
	root    string
	options directoryOptions

	mu        sync.Mutex
	announced map[string]*presence.Announcement // by path
}

// DirectoryOption changes a directory.
type DirectoryOption func(*directoryOptions)

type directoryOptions struct{ links int }

// WithMaxLinks says how many links may be followed for one name; the default is 8.
// It panics if n is negative.
func WithMaxLinks(n int) DirectoryOption {
	return func(o *directoryOptions) { o.links = n }
}

// NewDirectory names the directory at root. Nothing is sent.
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

// BindOption says how a name is bound; the default is for good.
type BindOption func(*bindOptions)

type bindOptions struct{ ephemeral bool }

// WithEphemeral binds a name for as long as this process keeps its
// session: after an expiry it is bound again, under the next ZooKeeper session,
// until Unbind or the end of the session. There can be no names below it.
func WithEphemeral() BindOption { return func(o *bindOptions) { o.ephemeral = true } }

// Bind binds a name to a value. ErrBound if it is bound already, be it to a link.
// Links on the way to the name are followed.
//
// Nodes on the way are created as far as they are missing. It takes two round
// trips, a read of the way and a transaction, whose outcome is looked up if the
// reply is lost; an ephemeral binding is what package presence keeps announced. If
// ctx ends first, an ephemeral binding is undone; of another, session.ErrUnknown
// says that it may have been made.
func (d *Directory) Bind(ctx context.Context, name string, value []byte, opts ...BindOption) error {
	if err := d.checkValue(value); err != nil {
		return d.errorOf("bind", name, err)
	}
	return d.errorOf("bind", name, d.bind(ctx, name, value, opts))
}

// Link binds a name to another, which need not be bound: whoever looks the one up
// finds the value of the other. Like Bind it fails with ErrBound.
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

// create binds a path for good.
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
			return ErrBound
		case n.Stat.EphemeralOwner == math.MinInt64:
			return fmt.Errorf("%w: the node is a container, and goes with the last name below it", session.ErrInvalid)
		}
		err = d.write(ctx, session.OpSet(path, data, n.Stat.Version))
		if !errors.Is(err, session.ErrBadVersion) && !errors.Is(err, session.ErrNoNode) {
			return err
		}
	}
}

// announce binds a path for as long as there is a session.
func (d *Directory) announce(ctx context.Context, path string, data []byte) error {
	d.mu.Lock()
	_, ours := d.announced[path]
	d.mu.Unlock()
	if ours {
		return ErrBound
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

// Rebind binds a name to a value whether it is bound or not; of a link, it replaces
// the link. A binding that this Directory made with Ephemeral stays one; any other
// is replaced by one that is as the options say; session.ErrNotEmpty if that is to
// be ephemeral and there are names below it. Its cost and its other errors are those
// of Bind, but for ErrBound.
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
			// Somebody else's node cannot become ours: it goes, and ours comes. One
			// with others below it cannot go.
			err = d.write(ctx, session.OpDelete(w.path, n.Stat.Version))
			if err == nil {
				continue
			}
		} else {
			err = d.write(ctx, session.OpSet(w.path, value, n.Stat.Version))
		}
		if !errors.Is(err, session.ErrBadVersion) && !errors.Is(err, session.ErrNoNode) {
			return err
		}
	}
}

// Unbind ends a binding, of whatever kind and whoever made it. ErrNotBound if there
// is none. Of a link, it removes the link. Nodes on the way that serve no name any
// more are removed too. If another process keeps the binding up, with Ephemeral, it
// makes it anew.
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
		if errors.Is(err, session.ErrBadVersion) || errors.Is(err, session.ErrNoNode) {
			continue // somebody was faster: see what there is now
		}
		if err == nil {
			d.deleteEmptyParents(ctx, w)
		}
		return err
	}
}

// clear removes a binding as it was read: its node, or if there are others below,
// its data.
func (d *Directory) clear(ctx context.Context, path string, n session.Node) error {
	err := d.write(ctx, session.OpDelete(path, n.Stat.Version))
	if errors.Is(err, session.ErrNotEmpty) {
		err = d.write(ctx, session.OpSet(path, nil, n.Stat.Version))
	}
	return err
}

func (d *Directory) announcementOf(path string) *presence.Announcement {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.announced[path]
}

// write carries out one operation, whose outcome is known unless the session or ctx
// ends before a lost reply has been looked up.
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

// bound tells whether a node binds its name.
func bound(n session.Node) bool { return len(n.Data) > 0 || n.Stat.Ephemeral() }

// checkValue refuses what would not be found again as it is.
func (d *Directory) checkValue(value []byte) error {
	if len(value) == 0 {
		return fmt.Errorf("%w: empty value: a node without data is not bound", session.ErrInvalid)
	}
	if len(value) >= len(linkMark) && string(value[:len(linkMark)]) == linkMark {
		return fmt.Errorf("%w: a value that begins with %q would be a link", session.ErrInvalid, linkMark)
	}
	return nil
}

// errorOf says what was to be done with which name, where err does not.
func (d *Directory) errorOf(op, name string, err error) error {
	var oe *session.OpError
	if err == nil || errors.As(err, &oe) {
		return err
	}
	return &session.OpError{Package: "naming", Op: op, Path: d.path(name), Err: err}
}

func (d *Directory) path(name string) string {
	if name == "" {
		return d.root
	}
	return session.Join(d.root, name)
}
