package doctor

import (
	"fmt"
	"slices"
	"strings"
)

func (e *Ensemble) find(severity Severity, code Code, advice, format string, args ...any) {
	e.Findings = append(e.Findings, Finding{code, severity, fmt.Sprintf(format, args...), advice})
}

// newEnsemble derives the report of the ensemble from those of the servers.
func newEnsemble(servers []*Server) *Ensemble {
	e := &Ensemble{Kind: "ensemble", Unknown: Unknowns{}, Findings: []Finding{}}
	e.fill(servers)
	e.judgeModes(servers)
	e.judgeQuorum(servers)
	e.judgeDifferences(servers)
	return e
}

// fill sets the fields of the report.
func (e *Ensemble) fill(servers []*Server) {
	for _, s := range servers {
		if s.Serving {
			e.Serving++
		}
		if s.Mode == "standalone" {
			e.standalone = true
		}
	}
	if n := members(servers); n > 0 {
		quorum := n/2 + 1
		e.Members, e.Quorum = &n, &quorum
	} else {
		e.explain("quorum", "shown by the node /zookeeper/config, or by 4lw.commands.whitelist=conf")
	}
	e.fillLeader(servers)
	e.fillWorking(servers)
	e.Outstanding = e.sum(servers, "outstanding", func(s *Server) *int64 { return s.Outstanding })
	e.Watches = e.sum(servers, "watches", func(s *Server) *int64 { return s.Watches })
	for _, s := range servers {
		if s.Nodes != nil && (e.Nodes == nil || *s.Nodes > *e.Nodes) {
			e.Nodes = s.Nodes
		}
	}
	if e.Nodes == nil {
		e.explain("nodes", "shown by 4lw.commands.whitelist=srvr")
	}
}

// explain records why a figure is unknown, or which setting shows it.
func (e *Ensemble) explain(name, setting string) {
	if e.Serving == 0 {
		setting = noServer
	}
	e.Unknown[name] = setting
}

// noServer is the reason why figures are unknown if no server serves.
const noServer = "no server serves"

// members returns the number of voting members, or 0 if it is unknown.
func members(servers []*Server) int {
	most := 0
	for _, s := range servers {
		switch n := len(s.members); {
		case n > 0:
			most = max(most, n)
		case s.quorumSize > 0:
			most = max(most, s.quorumSize)
		case s.Mode == "standalone":
			most = max(most, 1)
		}
	}
	return most
}

// fillLeader sets the leader.
func (e *Ensemble) fillLeader(servers []*Server) {
	for _, s := range servers {
		if s.Mode == "leader" || s.Mode == "standalone" && len(servers) == 1 {
			e.Leader = s.Server
			return
		}
	}
	e.explain("leader", "no server of the connect string leads")
	for _, s := range servers {
		if s.Mode == "" && s.Serving {
			e.explain("leader", fmt.Sprintf("%s: %s", s.Server, s.Unknown["mode"]))
		}
	}
}

// fillWorking sets the number of members that work together.
func (e *Ensemble) fillWorking(servers []*Server) {
	voters := 0
	for _, s := range servers {
		switch {
		case s.Mode == "leader" && s.synced >= 0:
			n := s.synced + 1
			e.Synced = &n
			return
		case s.Mode == "leader", s.Mode == "follower", s.Mode == "standalone":
			voters++
		}
	}
	if e.Members != nil && voters >= *e.Members || len(e.Leader) > 0 && e.standalone {
		e.Synced = &voters
		return
	}
	e.explain("working", "shown by the leader with 4lw.commands.whitelist=mntr")
}

// sum adds a figure of all servers that serve. It returns nil if it is unknown for one of them.
func (e *Ensemble) sum(servers []*Server, name string, figure func(*Server) *int64) *int64 {
	var total int64
	known := false
	for _, s := range servers {
		n := figure(s)
		switch {
		case n != nil:
			total += *n
			known = true
		case s.Serving:
			e.explain(name, fmt.Sprintf("%s: %s", s.Server, s.Unknown[name]))
			return nil
		}
	}
	if !known {
		e.Unknown[name] = noServer
		return nil
	}
	return &total
}

// judgeModes adds the findings of servers that do not belong together.
func (e *Ensemble) judgeModes(servers []*Server) {
	var leaders, alone, together []string
	for _, s := range servers {
		switch s.Mode {
		case "leader":
			leaders = append(leaders, s.Server)
			together = append(together, s.Server)
		case "follower", "observer":
			together = append(together, s.Server)
		case "standalone":
			alone = append(alone, s.Server)
		}
	}
	if len(leaders) > 1 {
		e.find(Error, SeveralLeaders, "The servers belong to different ensembles, or a leader is cut off and has not noticed it. Compare the server lines of their zoo.cfg.", "%s lead at the same time", strings.Join(leaders, " and "))
	}
	if len(alone) > 1 || len(alone) == 1 && len(together) > 0 {
		e.find(Error, SeparateServers, "Clients see other data depending on the server. Give each server the server lines of all in its zoo.cfg, or correct the connect string.",
			"%s standalone and share no data with the other servers", are(alone))
	}
}

// are returns "a is" or "a and b are".
func are(names []string) string {
	if len(names) == 1 {
		return names[0] + " is"
	}
	return strings.Join(names[:len(names)-1], ", ") + " and " + names[len(names)-1] + " are"
}

// judgeQuorum adds the findings of missing servers.
func (e *Ensemble) judgeQuorum(servers []*Server) {
	waiting := 0
	for _, s := range servers {
		if slices.ContainsFunc(s.Findings, func(f Finding) bool { return f.Code == NotServing }) {
			waiting++
		}
	}
	switch {
	case e.Serving == 0 && waiting > 0:
		e.find(Error, NoQuorum, "Start the missing servers, or restore the network between the servers. A majority of all members is needed.",
			"no server serves: %d of %d in the connect string %s running without a leader", waiting, len(servers), isOrAre(waiting))
		return
	case e.standalone && len(servers) > 1:
		return // judgeModes has reported it
	case e.Serving > 0 && e.Leader == "" && !hasUnknownMode(servers) && e.Members != nil && *e.Members <= len(servers):
		e.find(Warning, NoLeader, "An election may be under way, or the leader is not in the connect string. Run the command again.", "no server of the connect string leads")
	}
	if e.Members == nil {
		return
	}
	n := *e.Members
	if e.Synced != nil && *e.Synced < n && e.Serving > 0 {
		e.find(Warning, ServersMissing, fmt.Sprintf("Start them again. The ensemble fails when fewer than %d of %d work.", n/2+1, n), "%d of %d servers of the ensemble work together", *e.Synced, n)
	}
	switch {
	case n == 1:
		e.find(Note, NotFaultTolerant, "Use three servers in production.", "there is one server: while it is down, nothing works")
	case n == 2:
		e.find(Warning, NotFaultTolerant, "Use three servers.", "an ensemble of two servers fails when either of them fails")
	case n > len(servers) && len(servers) < 3:
		e.find(Warning, ServersNotListed, "Name all servers in the connect string, so that clients can move to another one.", "the connect string names %d of the %d servers", len(servers), n)
	}
}

func isOrAre(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func hasUnknownMode(servers []*Server) bool {
	return slices.ContainsFunc(servers, func(s *Server) bool { return s.Mode == "" && s.Reachable })
}

// judgeDifferences adds the findings of servers that differ.
func (e *Ensemble) judgeDifferences(servers []*Server) {
	if text := differences(servers, func(s *Server) string { return s.Version }); text != "" {
		e.find(Warning, VersionsDiffer, "Complete the upgrade, so that all servers have the same version.", "the versions differ: %s", text)
	}
	supports := func(s *Server) string {
		if s.Supports.Create2 == Unknown {
			return ""
		}
		return "supports " + s.Supports.String()
	}
	if text := differences(servers, supports); text != "" {
		e.find(Warning, OperationsDiffer, "A session learns once what the servers support. Give all servers the same version and settings.", "the servers differ: %s", text)
	}
	buffer := func(s *Server) string {
		if s.MaxBuffer == nil {
			return ""
		}
		return s.MaxBuffer.String()
	}
	if text := differences(servers, buffer); text != "" {
		e.find(Warning, BuffersDiffer, "Set the same jute.maxbuffer on all servers.", "jute.maxbuffer differs: %s", text)
	}
	timeout := func(s *Server) string {
		if s.Timeout == 0 {
			return ""
		}
		return s.Timeout.String()
	}
	if text := differences(servers, timeout); text != "" {
		e.find(Warning, TimeoutsDiffer, "Set the same tickTime, minSessionTimeout and maxSessionTimeout on all servers.", "the granted session timeouts differ: %s", text)
	}
}

// differences lists the values of the servers if they differ. Empty values are unknown.
func differences(servers []*Server, value func(*Server) string) string {
	distinct := make(map[string]bool)
	var list []string
	for _, s := range servers {
		if v := value(s); v != "" {
			distinct[v] = true
			list = append(list, s.Server+" "+v)
		}
	}
	if len(distinct) < 2 {
		return ""
	}
	return strings.Join(list, ", ")
}

// String lists what is supported and what is not.
func (a Abilities) String() string {
	var yes, no, unknown []string
	for _, f := range a.list() {
		switch f.answer {
		case Yes:
			yes = append(yes, f.name)
		case No:
			no = append(no, f.name)
		default:
			unknown = append(unknown, f.name)
		}
	}
	var parts []string
	if len(yes) > 0 {
		parts = append(parts, strings.Join(yes, ", "))
	}
	if len(no) > 0 {
		parts = append(parts, "not "+strings.Join(no, ", "))
	}
	if len(unknown) > 0 {
		parts = append(parts, "unknown: "+strings.Join(unknown, ", "))
	}
	return strings.Join(parts, "; ")
}

type ability struct {
	name   string
	answer Answer
}

func (a Abilities) list() []ability {
	return []ability{{"create2", a.Create2}, {"containers", a.Containers}, {"TTL", a.TTL}, {"addWatch", a.AddWatch}, {"SASL", a.SASL}}
}

// String returns the limit for people.
func (l *Limit) String() string {
	if l.Exact {
		return fmt.Sprintf("%d bytes", l.Bytes)
	}
	return fmt.Sprintf("at least %d bytes", l.Bytes)
}
