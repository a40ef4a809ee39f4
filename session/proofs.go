package session

import "time"

// proofs turns answered transactions into the time until which nobody else can
// own what this session owns.
//
// A transaction that was answered passed through a quorum, so when it was sent,
// the leader that answered had not been replaced, and the session had not
// expired. It does not tell when the leader last heard of the session: a
// follower reports its sessions every half tick. Half a tick is at most a
// quarter of the timeout, so once a later transaction, sent a quarter timeout
// after the first or more, has been answered over the same follower, the leader
// has been told of the first: the first is then confirmed, and the session
// lives for a whole timeout from the moment it was sent. docs/guarantees.md has
// the argument at length, and what it leaves open.
type proofs struct {
	timeout      time.Duration
	interval     time.Duration // between two proofs, at most
	confirmed    time.Time     // the leader knows that the session was alive here
	unconfirmed  []time.Time   // sending times of later proofs, ascending
	latest       time.Time     // when the latest proof was sent
	reattachedAt time.Time     // a reattachment that no transaction has followed yet
	provisional  time.Time     // see begin
}

// start is for the transaction that created the session: the leader counts the
// session's life from it, so it needs no confirmation.
func (p *proofs) start(timeout time.Duration, sent time.Time) {
	*p = proofs{timeout: timeout, interval: timeout / 4, confirmed: sent, unconfirmed: []time.Time{sent}}
}

// reattached is for a handshake, sent at sent, that resumed the session. The
// server had it checked by its leader, which counts the session's life from
// then; the first transaction that is answered on the new connection shows that
// this leader had not been replaced. What was proved over another server's
// connection is forgotten, since only the same follower can confirm it.
func (p *proofs) reattached(sent time.Time) {
	p.unconfirmed = p.unconfirmed[:0]
	p.reattachedAt = sent
}

// add counts a transaction sent at sent that has been answered.
func (p *proofs) add(sent time.Time) {
	p.latest = later(p.latest, sent)
	if p.reattachedAt.After(p.confirmed) {
		p.confirmed = p.reattachedAt
	}
	n := 0
	for n < len(p.unconfirmed) && sent.Sub(p.unconfirmed[n]) >= p.timeout/4 {
		n++
	}
	if n > 0 {
		if c := p.unconfirmed[n-1]; c.After(p.confirmed) {
			p.confirmed = c
		}
		p.unconfirmed = append(p.unconfirmed[:0], p.unconfirmed[n:]...)
	}
	// Close ones are thinned out, which errs on the safe side and bounds the list.
	if k := len(p.unconfirmed); k == 0 || sent.Sub(p.unconfirmed[k-1]) >= p.timeout/32 {
		p.unconfirmed = append(p.unconfirmed, sent)
	}
}

// begin is called when ownership begins after a time in which nothing was
// proved. The transaction that won it, sent at sent, is not confirmed yet. What
// the leader then knows at least is the last report of a follower that was in
// touch with it: no older than a client's ping (a third of the timeout) and a
// report (a quarter), so the session lives for 5/12 of its timeout from sent.
// 2/5 of it is granted, in which the next proof must be confirmed.
func (p *proofs) begin(sent time.Time) {
	if g := sent.Add(p.timeout * 2 / 5); g.After(p.provisional) {
		p.provisional = g
	}
}

// deadline is the end of ownership, unless another proof comes.
func (p *proofs) deadline() time.Time { return later(p.certain(), p.provisional) }

// certain is the deadline without what begin has granted.
func (p *proofs) certain() time.Time { return p.confirmed.Add(p.timeout * 9 / 10) }

// due is when the next proof should be sent, if none is sent before: an interval
// after the last. What else is sent meanwhile shifts the proofs, so the next one is
// due sooner if the latest confirmed proof would get older than a quarter of the
// timeout and an interval. It is sent once it confirms another.
func (p *proofs) due() (time.Time, bool) {
	last, ok := p.last()
	if !ok {
		return time.Time{}, false
	}
	due := last.Add(p.interval)
	soonest := later(p.unconfirmed[0].Add(p.timeout/4), p.confirmed.Add(p.timeout/4+p.interval))
	if soonest.Before(due) {
		return soonest, true
	}
	return due, true
}

// last is the sending time of the latest proof on this connection.
func (p *proofs) last() (time.Time, bool) {
	if n := len(p.unconfirmed); n > 0 {
		return p.unconfirmed[n-1], true
	}
	return time.Time{}, false
}
