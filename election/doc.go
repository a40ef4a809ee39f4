// Package election elects one leader among many candidates.
//
// Use an election if one process should do a job for as long as it lives, and another
// should take over when it ends. For short work use package lock instead. The danger
// is a leader that is suspended for longer than its session timeout: it cannot notice
// in time that another candidate leads.
//
// # Usage
//
//	err := election.New(s, "/app/leader").Run(ctx, func(ctx context.Context, t *election.Term) error {
//		return serve(ctx, t.Token())
//	})
//
// Most programs call Run, which campaigns, calls a function for each term, and waits
// until the function has returned before it resigns. Campaign returns the Term itself,
// which lasts until its Context is done. Leader, Observe and Candidates return the leader
// and the candidates to programs that need not be candidates.
//
// # Handing over
//
// StepDown asks the leader to resign, for example before its host is restarted. Any
// client may ask. The leader finds the request in Term.Revoked, and decides itself: the
// term lasts until Resign. The next candidate in line leads then; nobody can choose
// another. Run returns when its function has returned, so a program that wants to be a
// candidate again calls Run again.
//
//	select {
//	case <-t.Revoked(): // finish the work at hand, and return
//	case <-ctx.Done():
//	}
//
// # Loss
//
// A term is a lease with the guarantees of package lock. It ends before the term of
// another candidate can begin, by the session's own clock if necessary. Its Token
// grows from term to term. Term.Txn runs a transaction that fails unless the candidate
// still leads.
//
// # Errors
//
// If ctx ends while a call waits, the error wraps context.Cause(ctx). With a bad path,
// id or option, every call returns an error that wraps session.ErrInvalid.
//
// # Cost
//
// Campaign takes one round trip if there is no other candidate. Resign takes one.
// Observe watches only the leader's node. Requests to step down cost the leader nothing
// until one arrives.
//
// # Layout
//
// Candidates wait in a line, as in the leader election of the ZooKeeper recipes; the
// first candidate leads. The nodes are those of Apache Curator's LeaderLatch.
// WithFixedNode elects by one ephemeral node instead, as many programs do that use
// ZooKeeper without a library.
package election
