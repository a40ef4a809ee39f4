package conn

import "time"

// proofs computes from answered transactions the time until which no other client can own
// what this session owns.
//
// An answered transaction passed through a quorum. So when it was sent, the leader had not
// been replaced, and the ZooKeeper session had not expired. It does not show when the
// leader last knew that the session was alive, since a follower reports its sessions only
// every half tick. Half a tick is at most a quarter of the timeout. So when a transaction
// that was sent at least a quarter of the timeout later has been answered by the same
// follower, the leader knows of the first. The first is then confirmed, and the session
// lives for one timeout from the moment it was sent. docs/guarantees.md has the whole
// argument and its assumptions.
type proofs struct {
	timeout      time.Duration
	interval     time.Duration // between two proofs, at most
	confirmed    time.Time     // the latest moment of which the leader certainly knows that the session was alive then
	unconfirmed  []time.Time   // sending times of later proofs, ascending
	latest       time.Time     // when the latest proof was sent
	reattachedAt time.Time     // of a resumed session, until a transaction is answered
	provisional  time.Time     // see begin
}

// start records the transaction that created the ZooKeeper session. The leader counts the
// session's timeout from it, so it needs no confirmation.
func (p *proofs) start(timeout time.Duration, sent time.Time) {
	*p = proofs{timeout: timeout, interval: timeout / proofIntervals[0], confirmed: sent, unconfirmed: []time.Time{sent}}
}

// reattached records a handshake, sent at sent, that resumed the ZooKeeper session. The
// leader has checked the session and counts its timeout from then. The first transaction
// that is answered on the new connection shows that this leader had not been replaced.
// Unconfirmed proofs of the old connection are dropped, since only the same follower can
// confirm them.
func (p *proofs) reattached(sent time.Time) {
	p.unconfirmed = p.unconfirmed[:0]
	p.reattachedAt = sent
}

// add records an answered transaction that was sent at sent.
func (p *proofs) add(sent time.Time) {
	p.latest = later(p.latest, sent)
	p.confirmed = later(p.confirmed, p.reattachedAt)
	n := 0
	for n < len(p.unconfirmed) && sent.Sub(p.unconfirmed[n]) >= p.timeout/4 {
		n++
	}
	if n > 0 {
		p.confirmed = later(p.confirmed, p.unconfirmed[n-1])
		p.unconfirmed = append(p.unconfirmed[:0], p.unconfirmed[n:]...)
	}
	// Proofs soon after another are skipped, which is safe and bounds the list.
	if k := len(p.unconfirmed); k == 0 || sent.Sub(p.unconfirmed[k-1]) >= p.timeout/32 {
		p.unconfirmed = append(p.unconfirmed, sent)
	}
}

// begin is called when a caller starts to prove after the session was idle. The latest
// transaction, sent at sent, is not confirmed yet. The leader has at least the last report
// of the follower, which is no older than a client's ping (a third of the timeout) plus a
// report (a quarter). So the session lives for 5/12 of its timeout from sent. begin grants
// 2/5, in which the next proof must be confirmed.
func (p *proofs) begin(sent time.Time) {
	p.provisional = later(p.provisional, sent.Add(p.timeout*2/5))
}

// deadline returns when ownership ends unless another proof is answered.
func (p *proofs) deadline() time.Time { return later(p.certain(), p.provisional) }

// certain returns the deadline without the time that begin granted.
func (p *proofs) certain() time.Time { return p.confirmed.Add(p.timeout * 9 / 10) }

// due returns when the next proof should be sent: an interval after the last. Other writes
// count as proofs and shift this moment. So the next proof is due sooner if the latest
// confirmed proof would otherwise get older than a quarter of the timeout plus an
// interval, but not before it can confirm another.
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

// last returns when the latest proof on this connection was sent.
func (p *proofs) last() (time.Time, bool) {
	if n := len(p.unconfirmed); n > 0 {
		return p.unconfirmed[n-1], true
	}
	return time.Time{}, false
}
