package inspect

import (
	"cmp"
	"fmt"
	"maps"
	"net"
	"time"
)

// Sessions is what the servers know about the connections of sessions.
type Sessions struct {
	// Complete is true if all servers of the ensemble have answered, so that a session
	// that is not in ByID has no connection.
	Complete bool
	ByID     map[int64]SessionState
}

// SessionState is the connection of one session.
type SessionState struct {
	Client  string // its address
	Timeout time.Duration
	// Silence is for how long the server has, at least, received nothing.
	Silence time.Duration
}

// silent reports whether a live client would have sent something: clients send at least
// three times in a session timeout.
func (s SessionState) silent() bool { return s.Timeout > 0 && s.Silence > s.Timeout/2 }

// state returns the connection of a session.
func (s Sessions) state(id int64) (SessionState, Connection) {
	st, ok := s.ByID[id]
	switch {
	case ok && st.silent():
		return st, Silent
	case ok:
		return st, Connected
	case s.Complete:
		return st, Disconnected
	}
	return st, Unknown
}

// Add adds what another server knows. A session that has moved is on the server
// that has heard it last.
func (s *Sessions) Add(byID map[int64]SessionState) {
	if s.ByID == nil {
		s.ByID = make(map[int64]SessionState)
	}
	for id, st := range byID {
		if old, ok := s.ByID[id]; !ok || st.Silence < old.Silence {
			s.ByID[id] = st
		}
	}
}

// setSessions sets Connected of all participants, and adds findings for owners that
// are cut off. It replaces what an earlier call has set.
func (rep *Report) setSessions(s Sessions) {
	s.ByID = maps.Clone(s.ByID)
	for _, r := range rep.Recipes {
		kept := r.Findings[:0:0]
		for _, f := range r.Findings {
			if f.Cause != CauseSilent && f.Cause != CauseDisconnected {
				kept = append(kept, f)
			}
		}
		r.Findings = kept
		owners := r.setConnected(s, r.Owners)
		r.setConnected(s, r.Waiters)
		members := r.setConnected(s, r.Members)
		r.Findings = append(owners, r.Findings...)
		if r.Kind == KindDoubleBarrier || r.Kind == KindTasks {
			r.Findings = append(r.Findings, members...)
		}
	}
}

func (r *Recipe) setConnected(s Sessions, ps []Participant) (found []Finding) {
	for i := range ps {
		p := &ps[i]
		if p.Ownerless {
			continue
		}
		st, c := s.state(p.sessionID)
		p.Connected, p.Client = c, st.Client
		if host, _, err := net.SplitHostPort(st.Client); err == nil && p.Host == "" {
			p.Host = host
		}
		switch c {
		case Disconnected:
			found = append(found, Finding{CauseDisconnected, p.Node, fmt.Sprintf("the session %s of %s is not connected to any server; it expires unless it returns", p.Session, p.label())})
		case Silent:
			found = append(found, Finding{CauseSilent, p.Node, fmt.Sprintf("the session %s of %s has sent nothing for more than half of its timeout: the process is stopped or cut off; wait until the session has expired, %v after its last request",
				p.Session, p.label(), st.Timeout)})
		}
	}
	return found
}

func (p *Participant) label() string {
	name := cmp.Or(p.ID, p.Node)
	if p.Client != "" {
		return name + " at " + p.Client
	}
	return name
}
