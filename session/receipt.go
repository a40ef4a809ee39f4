package session

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// DefaultReceipts is the node under which sessions keep their receipts.
const DefaultReceipts = "/zkrecipes-receipts"

// TxnWithReceipt is Txn with an outcome that is known as long as the epoch lasts:
// the transaction also writes a number into an ephemeral node that is the
// session's own, and that node tells, should the reply be lost, whether it was
// committed. ErrUnknown is left for the case that the epoch ends before a server
// could be asked.
//
// ctx bounds the time until the transaction is sent. From then on the call waits
// for the outcome, whatever becomes of ctx.
//
// Of a transaction whose reply was lost, a Result has of its Stat only the zxid
// and the version, and the Path of a sequential node is empty if the node has
// been removed since, or if ctx or the session has ended before it could be asked
// for.
//
// Where the session may not write its receipts (see WithReceipts), it does
// without, and a lost reply is ErrUnknown as often as Txn's is.
func (s *Session) TxnWithReceipt(ctx context.Context, ops ...Op) ([]Result, error) {
	results, err := inCurrentEpoch(ctx, s, func(e *Epoch) ([]Result, error) { return e.TxnWithReceipt(ctx, ops...) })
	if err == nil {
		s.nameSequential(ctx, ops, results)
	}
	return results, err
}

// TxnWithReceipt is Session.TxnWithReceipt within the epoch: it fails with
// ErrExpired if the epoch has ended.
func (e *Epoch) TxnWithReceipt(ctx context.Context, ops ...Op) ([]Result, error) {
	if len(ops) == 0 {
		return nil, nil
	}
	if err := e.check(ops); err != nil {
		return nil, err
	}
	results, err := e.commitWithReceipt(ctx, ops, nil)
	return results, opError(ops[0].name(), ops[0].path, err)
}

func (e *Epoch) commitWithReceipt(ctx context.Context, ops []Op, doubt func()) ([]Result, error) {
	for {
		r := e.takeReceipt()
		if r == nil {
			return e.commitAnd(ctx, e.ctx, ops, e.resolve, doubt)
		}
		results, err := e.commitAnd(ctx, e.ctx, append(slices.Clone(ops), r.op()), r.resolve, doubt)
		switch {
		case err == nil:
			r.count++
			e.receipts.put(r)
			return results[:len(ops)], nil
		case !r.refused(err):
			e.receipts.put(r)
			return nil, err
		case errors.Is(err, ErrNoNode) && r.count > 0:
			continue // somebody has removed it: take another
		case errors.Is(err, ErrNoNode):
			err = e.createAncestors(ctx, r.path)
		}
		if ctx.Err() != nil || e.ctx.Err() != nil {
			return nil, e.ended(ctx)
		}
		if err != nil {
			e.receipts.refuse(e, err)
		}
	}
}

// refused tells whether a transaction failed, and nothing was done, because of
// its receipt.
func (r *receipt) refused(err error) bool {
	var oe *OpError
	return errors.As(err, &oe) && oe.Path == r.path && !errors.Is(err, ErrUnknown)
}

// receipts are the nodes of an epoch that no transaction is using: as many as
// there have been transactions at one time.
type receipts struct {
	mu      sync.Mutex
	free    []*receipt
	refused bool
}

// receipt is one ephemeral node, whose data is the number of transactions that it
// stands for.
type receipt struct {
	epoch *Epoch
	path  string
	count int // 0: the node is not there yet
}

// takeReceipt returns nil if there are none to be had.
func (e *Epoch) takeReceipt() *receipt {
	rs := &e.receipts
	rs.mu.Lock()
	defer rs.mu.Unlock()
	dir := e.session.opts.receipts
	if dir == "" || rs.refused {
		return nil
	}
	if n := len(rs.free); n > 0 {
		r := rs.free[n-1]
		rs.free = rs.free[:n-1]
		return r
	}
	return &receipt{epoch: e, path: Join(dir, GUID())}
}

func (rs *receipts) put(r *receipt) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.free = append(rs.free, r)
}

// refuse has the epoch do without receipts.
func (rs *receipts) refuse(e *Epoch, err error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.refused = true
	e.session.opts.log.Warn("zookeeper: no receipts: lost replies may be of unknown outcome", "err", err)
}

// next is the data that the next transaction writes.
func (r *receipt) next() []byte { return strconv.AppendInt(nil, int64(r.count)+1, 10) }

func (r *receipt) op() Op {
	if r.count == 0 {
		return OpCreate(r.path, r.next(), Ephemeral())
	}
	return OpSet(r.path, r.next(), AnyVersion)
}

// resolve is a resolver: the receipt tells.
func (r *receipt) resolve(ctx context.Context, ops []Op, _ int64) ([]Result, bool, error) {
	e := r.epoch
	n := Node{}
	err := e.Sync(ctx, r.path)
	if err == nil {
		n, err = e.node(ctx, "get", r.path)
	}
	switch {
	case errors.Is(err, ErrNoNode) && r.count == 0:
		return nil, false, nil
	case err != nil:
		return nil, false, unknown(err)
	case string(n.Data) != string(r.next()):
		return nil, false, nil
	}
	results := make([]Result, len(ops))
	for i := range ops {
		results[i] = ops[i].resultAt(n.Stat.Mzxid)
	}
	// The names are left out if they cannot be asked for: the outcome is known
	// without them.
	e.findSequential(ctx, ops, results, n.Stat.Mzxid)
	return results, true, nil
}

// nameSequential looks once more for names that are not known of a transaction that
// was carried out: the epoch may have ended before they could be asked for.
func (s *Session) nameSequential(ctx context.Context, ops []Op, results []Result) {
	i := unnamed(ops, results)
	if i < 0 {
		return
	}
	inCurrentEpoch(ctx, s, func(e *Epoch) ([]Result, error) {
		return results, e.findSequential(ctx, ops, results, results[i].Stat.Czxid)
	})
}

// unnamed is the first of the sequential nodes whose name is not known; -1 if there
// is none.
func unnamed(ops []Op, results []Result) int {
	for i, r := range results {
		if ops[i].create.sequential && r.Path == "" {
			return i
		}
	}
	return -1
}

// resultAt is what is known of an op that the transaction zxid has carried out.
func (op *Op) resultAt(zxid Zxid) Result {
	switch op.name() {
	case "create":
		r := Result{Path: op.path, Stat: Stat{Czxid: zxid, Mzxid: zxid, Pzxid: zxid}}
		if op.create.sequential {
			r.Path = ""
		}
		return r
	case "set":
		r := Result{Stat: Stat{Mzxid: zxid}}
		if op.version != AnyVersion {
			r.Stat.Version = op.version + 1
		}
		return r
	}
	return Result{}
}

// findSequential finds the names of the sequential nodes among ops, by the
// transaction that created them. If several were created under one prefix, their
// numbers are in the order of ops; if not all of them are still there, it cannot
// be told which is which.
func (e *Epoch) findSequential(ctx context.Context, ops []Op, results []Result, zxid Zxid) error {
	made := make(map[string][]int) // by prefix
	for i := range ops {
		if ops[i].create.sequential {
			made[ops[i].path] = append(made[ops[i].path], i)
		}
	}
	for prefix, indices := range made {
		paths, err := e.createdAt(ctx, prefix, zxid)
		if err != nil {
			return err
		}
		if len(paths) != len(indices) {
			continue
		}
		for k, i := range indices {
			results[i].Path = paths[k]
		}
	}
	return nil
}

// createdAt returns the sequential nodes with a prefix that one transaction has
// created, in the order of their numbers. There may be very many with this prefix,
// a queue for instance, so it begins with the latest and looks no further than
// to nodes that are older.
func (e *Epoch) createdAt(ctx context.Context, prefix string, zxid Zxid) ([]string, error) {
	parent, name := Split(prefix)
	names, err := e.Children(ctx, parent)
	if err != nil {
		return nil, err
	}
	var candidates []string
	for _, n := range names {
		if rest, ok := strings.CutPrefix(n, name); ok && isSequence(rest) {
			candidates = append(candidates, Join(parent, n))
		}
	}
	slices.SortFunc(candidates, func(a, b string) int {
		return int(sequenceOf(b, prefix) - sequenceOf(a, prefix))
	})
	var created []string
	for chunk := range slices.Chunk(candidates, 64) {
		calls, _, err := e.readAll(ctx, "get", wire.OpExists, nil, chunk)
		if err != nil {
			return nil, err
		}
		older := false
		for i, c := range calls {
			czxid := Zxid(c.reply.(*wire.Stat).Czxid)
			switch {
			case c.result() != nil:
			case czxid == zxid:
				created = append(created, chunk[i])
			case czxid < zxid:
				older = true
			}
		}
		if older {
			break
		}
	}
	slices.Reverse(created)
	return created, nil
}

// sequenceOf is the number behind a prefix. Numbers wrap, so that it is the
// distance of two that tells their order.
func sequenceOf(path, prefix string) int32 {
	n, _ := strconv.ParseInt(path[len(prefix):], 10, 32)
	return int32(n)
}
