package session

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// DefaultReceipts is the default node under which sessions create their receipts.
const DefaultReceipts = "/zkrecipes-receipts"

// TxnWithReceipt is Txn with an outcome that is known as long as the epoch lasts. The
// transaction also writes a number into a receipt, an ephemeral node of the session,
// which shows after a lost reply whether the transaction was committed. The error is
// ErrUnknown only if the epoch ends before a server could be asked, if the receipt
// cannot be read, for example because another client has deleted it, or if the session
// may not write receipts (see WithReceipts). Without receipts it is returned in the same
// cases as by Txn.
//
// TxnWithReceipt assumes that no other client deletes a receipt between its creation and
// the look-up after a lost reply: the transaction could then be committed twice.
//
// ctx bounds the time until the transaction is sent. From then on the call waits for
// the outcome, even if ctx is done. See Epoch.TxnDetached for callers that cannot wait.
//
// If the reply was lost, the Stat of a Result has only the zxids and the version. The
// Path of a sequential node is then empty if the node has been deleted since, or if ctx
// was done or the session closed before it could be looked up.
//
// It takes one round trip, or three if the node of WithReceipts must be created.
func (s *Session) TxnWithReceipt(ctx context.Context, ops ...Op) ([]Result, error) {
	results, err := inCurrentEpoch(ctx, s, func(e *Epoch) ([]Result, error) { return e.TxnWithReceipt(ctx, ops...) })
	if err == nil {
		s.nameSequential(ctx, ops, results)
	}
	return results, err
}

// TxnWithReceipt is Session.TxnWithReceipt in this epoch only: it fails with ErrExpired
// if the epoch has ended.
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
			continue // the receipt has been deleted: take another
		case errors.Is(err, ErrNoNode):
			err = e.createAncestors(ctx, r.path)
		}
		if ctx.Err() != nil || e.ctx.Err() != nil {
			return nil, e.conn.Ended(ctx)
		}
		if err != nil {
			e.receipts.refuse(e, err)
		}
	}
}

// refused reports whether a transaction with the error err was refused because of its
// receipt, so that nothing was committed.
func (r *receipt) refused(err error) bool {
	var oe *OpError
	return errors.As(err, &oe) && oe.Path == r.path && !errors.Is(err, ErrUnknown)
}

// receipts is the pool of an epoch's receipts that no transaction uses. There are as many
// receipts as there were concurrent transactions.
type receipts struct {
	mu      sync.Mutex
	free    []*receipt
	refused bool
}

// receipt is one ephemeral node, whose data is the number of transactions that were
// committed with it.
type receipt struct {
	epoch *Epoch
	path  string
	count int // 0: the node does not exist yet
}

// takeReceipt takes a receipt from the pool or makes one. It returns nil if the session
// cannot use receipts.
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

// refuse makes the epoch continue without receipts.
func (rs *receipts) refuse(e *Epoch, err error) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.refused = true
	e.session.opts.conn.Log.Warn("zookeeper: cannot write receipts: the outcome of a lost reply may be unknown", "err", err)
}

// next returns the data that the next transaction writes.
func (r *receipt) next() []byte { return strconv.AppendInt(nil, int64(r.count)+1, 10) }

func (r *receipt) op() Op {
	if r.count == 0 {
		return OpCreate(r.path, r.next(), Ephemeral())
	}
	return OpSet(r.path, r.next(), AnyVersion)
}

// resolve is the resolver that reads the receipt. If the transaction was to create the
// receipt and there is none, it was not committed, provided that no other client has
// deleted the receipt.
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
	case errors.Is(err, ErrNoNode): // which would look like the error of an op
		return nil, false, fmt.Errorf("%w: the receipt %s was deleted", ErrUnknown, r.path)
	case err != nil:
		return nil, false, unknown(err)
	case string(n.Data) != string(r.next()):
		return nil, false, nil
	}
	results := make([]Result, len(ops))
	for i := range ops {
		results[i] = ops[i].resultAt(n.Stat.Mzxid)
	}
	// The outcome is known without the names, so an error does not matter.
	e.findSequential(ctx, ops, results, n.Stat.Mzxid)
	return results, true, nil
}

// nameSequential looks up names of sequential nodes that are missing in the results of a
// committed transaction: the epoch may have ended before they could be looked up.
func (s *Session) nameSequential(ctx context.Context, ops []Op, results []Result) {
	i := unnamed(ops, results)
	if i < 0 {
		return
	}
	inCurrentEpoch(ctx, s, func(e *Epoch) ([]Result, error) {
		return results, e.findSequential(ctx, ops, results, results[i].Stat.Czxid)
	})
}

// unnamed returns the index of the first sequential node whose name is not known, or -1.
func unnamed(ops []Op, results []Result) int {
	for i, r := range results {
		if ops[i].create.sequential && r.Path == "" {
			return i
		}
	}
	return -1
}

// resultAt returns the known part of the Result of an op that the transaction zxid
// committed.
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

// findSequential finds the names of the sequential nodes among ops by the transaction
// that created them. If several were created under one prefix, their numbers are in the
// order of ops; if one of these has been deleted, none of them gets a name.
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

// createdAt returns the sequential nodes with a prefix that the transaction zxid created,
// in the order of their numbers. Since a queue, for example, can have very many nodes
// with the prefix, it reads them from the latest and stops at the first older ones.
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
			czxid := Zxid(c.Reply.(*wire.Stat).Czxid)
			switch {
			case c.Result() != nil:
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

// sequenceOf returns the number that follows prefix. Numbers wrap around, so two are
// compared by their difference.
func sequenceOf(path, prefix string) int32 {
	n, _ := strconv.ParseInt(path[len(prefix):], 10, 32)
	return int32(n)
}
