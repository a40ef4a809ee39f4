package zktest

import (
	"path"
	"strings"
	"time"
)

// A Rule is a fault and which requests it befalls. Fields left out do not
// restrict:
//
//	s.Inject(zktest.Rule{Op: "create", Path: "/locks/*", Nth: 2, Fault: zktest.DropReply})
type Rule struct {
	Op      string // as in Request.Op
	Path    string // as path.Match has it; "/a/**" is everything below /a
	Session int64
	Nth     int           // only the n-th of the requests that match, from 1
	Fault   Fault         // Pass makes an exception to the rules injected later
	Delay   time.Duration // how long the request lies there first
}

// Inject puts a rule into force. Of several, the first injected that matches
// decides; functions of Fault take part in that order.
func (s *Server) Inject(r Rule) (remove func()) {
	matched := 0
	return s.addFault(func(q Request) decision {
		if !r.matches(q) {
			return decision{}
		}
		if matched++; r.Nth != 0 && matched != r.Nth {
			return decision{}
		}
		return decision{fault: r.Fault, delay: r.Delay, decided: true}
	})
}

func (r *Rule) matches(q Request) bool {
	if r.Op != "" && r.Op != q.Op || r.Session != 0 && r.Session != q.Session {
		return false
	}
	if root, ok := strings.CutSuffix(r.Path, "/**"); ok {
		return strings.HasPrefix(q.Path, root+"/")
	}
	if r.Path == "" {
		return true
	}
	ok, err := path.Match(r.Path, q.Path)
	return ok && err == nil
}

// A verdict is what becomes of a request.
type decision struct {
	fault   Fault
	delay   time.Duration
	decided bool
}
