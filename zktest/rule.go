package zktest

import (
	"path"
	"strings"
	"time"
)

// A Rule selects requests and says what happens to them. A field that is not set does not
// restrict the selection:
//
//	s.Inject(zktest.Rule{Op: "create", Path: "/locks/*", Nth: 2, Fault: zktest.DropReply})
type Rule struct {
	Op      string // a value of Request.Op
	Path    string // a pattern of path.Match; "/a/**" matches everything below /a
	Session int64
	Nth     int           // only the n-th of the matching requests, from 1
	Fault   Fault         // Pass exempts the requests from rules that are injected later
	Delay   time.Duration // how long the request waits before it is served
}

// Inject adds a rule until remove is called. If several rules match a request, the first
// injected decides. Functions of [Server.Fault] are part of the same order.
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

// A decision says what happens to a request.
type decision struct {
	fault   Fault
	delay   time.Duration
	decided bool
}
