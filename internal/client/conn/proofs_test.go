package conn

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epochZero = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return epochZero.Add(d) }

// Each step is a transaction sent at a time and answered, a reattachment sent at
// a time, or a beginning; the timeout is 12 s, a quarter of it 3 s.
func TestProofs(t *testing.T) {
	const s = time.Second
	type step struct {
		what string
		at   time.Duration
		want time.Duration // the deadline after it
	}
	const life = 12 * s * 9 / 10
	tests := []struct {
		name  string
		steps []step
	}{
		{"the start needs no confirmation", []step{{"start", 0, life}}},
		{"one proof confirms nothing but those before it", []step{{"start", 0, life}, {"add", 2 * s, life}, {"add", 4 * s, life}}},
		{"a proof counts when a later one is answered", []step{
			{"start", 0, life}, {"add", 3 * s, life}, {"add", 6 * s, 3*s + life}, {"add", 9 * s, 6*s + life},
		}},
		{"a quarter is just enough", []step{{"start", 0, life}, {"add", 1 * s, life}, {"add", 4*s - 1, life}, {"add", 4 * s, 1*s + life}}},
		{"many at once", []step{{"start", 0, life}, {"add", 1 * s, life}, {"add", 1*s + 1, life}, {"add", 1*s + 2, life}, {"add", 4 * s, 1*s + life}}},
		{"a reattachment counts once something is answered after it", []step{
			{"start", 0, life}, {"add", 3 * s, life}, {"reattach", 5 * s, life}, {"add", 5 * s, 5*s + life},
		}},
		{"another server confirms nothing", []step{
			{"start", 0, life}, {"add", 4 * s, life}, {"reattach", 1 * s, life}, {"add", 8 * s, 1*s + life},
		}},
		{"a beginning is granted a little", []step{
			{"start", 0, life}, {"begin", 100 * s, 100*s + 12*s*2/5}, {"add", 100 * s, 100*s + 12*s*2/5}, {"add", 103 * s, 100*s + life},
		}},
		{"a beginning takes nothing away", []step{{"start", 0, life}, {"begin", 1 * s, life}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var p proofs
			for i, st := range tt.steps {
				switch st.what {
				case "start":
					p.start(12*s, at(st.at))
				case "add":
					p.add(at(st.at))
				case "reattach":
					p.reattached(at(st.at))
				case "begin":
					p.begin(at(st.at))
				}
				if got := p.deadline().Sub(epochZero); got != st.want {
					t.Errorf("after step %d (%s at %v): deadline %v, want %v", i, st.what, st.at, got, st.want)
				}
			}
		})
	}
}

func TestProofsLast(t *testing.T) {
	var p proofs
	if _, ok := p.last(); ok {
		t.Error("there is a proof before the session")
	}
	p.start(12*time.Second, at(time.Second))
	if sent, ok := p.last(); !ok || !sent.Equal(at(time.Second)) {
		t.Errorf("last is %v, %v after the start", sent, ok)
	}
	p.reattached(at(2 * time.Second))
	if _, ok := p.last(); ok {
		t.Error("a proof over another server's connection still counts")
	}
}

// However many transactions are answered, the list of proofs stays short.
func TestProofsAreThinnedOut(t *testing.T) {
	var p proofs
	p.start(4*time.Second, at(0))
	for d := time.Duration(0); d < 20*time.Second; d += time.Millisecond {
		p.add(at(d))
		if len(p.unconfirmed) > 33 {
			t.Fatalf("%d remembered", len(p.unconfirmed))
		}
	}
	if got, want := p.deadline(), at(20*time.Second-time.Second-4*time.Second/32); got.Sub(want) < 4*time.Second*9/10-time.Second {
		t.Errorf("deadline %v", got.Sub(epochZero))
	}
}

// The deadline of a holder is never later than the moment at which the leader expires the
// session, whenever the follower is disconnected from the leader.
//
// The follower reports to the leader every half tick. The delays of reports and of the
// client's requests vary by at most a quarter of the timeout minus half a tick (see proofs).
// The leader rounds the expiry up to its next tick.
func TestProofsComeBeforeTheLeadersExpiry(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const ms = time.Millisecond
		tick := time.Duration(rapid.IntRange(20, 3000).Draw(t, "tick")) * ms
		timeout := tick*2 + time.Duration(rapid.IntRange(0, int(8*tick/ms)).Draw(t, "more"))*ms
		slack := timeout/4 - tick/2
		jitter := func(label string) time.Duration {
			return time.Duration(rapid.Int64Range(0, int64(slack/2)).Draw(t, label))
		}
		phase := time.Duration(rapid.Int64Range(0, int64(tick)).Draw(t, "phase"))
		reports := time.Duration(rapid.Int64Range(0, int64(tick/2)).Draw(t, "reports"))
		cut := time.Duration(rapid.Int64Range(int64(timeout), int64(4*timeout)).Draw(t, "cut"))

		interval := rapid.SampledFrom(proofIntervals[:]).Draw(t, "interval")

		// The client sends a proof each interval, and writes and pings at random moments.
		type message struct{ sent, arrived time.Duration }
		var traffic []message
		arrived := time.Duration(0)
		for sent := time.Duration(0); sent < cut+timeout; {
			arrived = max(arrived, sent+jitter("delay")) // TCP keeps the order
			traffic = append(traffic, message{sent, arrived})
			sent += time.Duration(rapid.Int64Range(int64(timeout/64)+1, int64(timeout/interval)).Draw(t, "gap"))
		}
		var p proofs
		p.start(timeout, at(0))
		p.interval = timeout / interval
		touched := time.Duration(0) // when the leader last heard of the session
		for _, m := range traffic[1:] {
			if m.arrived <= cut { // passes to the leader at once, and is answered
				p.add(at(m.sent))
			}
		}
		for report := reports; report <= cut; report += tick / 2 { // what has arrived since the last is told
			for _, m := range traffic {
				if m.arrived <= report && m.arrived > report-tick/2 {
					touched = max(touched, report)
				}
			}
		}
		expiry := (touched+timeout-phase)/tick*tick + tick + phase
		if deadline := p.deadline().Sub(epochZero); deadline > expiry {
			t.Fatalf("the holder goes on until %v, and the leader gives up at %v", deadline, expiry)
		}
	})
}

// Whatever else the session writes, and at whatever moments, the deadline is always at least
// 0.65 of the timeout minus an interval and two round trips in the future. The first round
// trip delays the proof. The longest stop time follows from that.
func TestProofsKeepTheDeadlineFar(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const timeout = 32 * time.Second
		interval := timeout / rapid.SampledFrom(proofIntervals[:]).Draw(t, "interval")
		trip := time.Duration(rapid.Int64Range(0, int64(timeout/200)).Draw(t, "round trip"))
		var p proofs
		p.start(timeout, at(0))
		p.interval = interval
		write := time.Duration(0)
		for now := time.Duration(0); now < 8*timeout; {
			if write <= now {
				write = now + 1 + time.Duration(rapid.Int64Range(0, int64(2*interval)).Draw(t, "write"))
			}
			due, _ := p.due()
			sent := min(max(due.Sub(epochZero), now), write)
			now = sent + trip
			left := p.certain().Sub(at(now))
			if least := timeout*65/100 - interval - 2*trip - 1; left < least {
				t.Fatalf("at %v the deadline is %v ahead, and not %v", now, left, least)
			}
			p.add(at(sent))
		}
	})
}
