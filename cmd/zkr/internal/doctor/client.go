package doctor

import (
	"fmt"
	"time"
)

// electionTime is how long an ensemble is taken to have no leader when its leader is
// restarted, unless a tick is longer.
const electionTime = 2 * time.Second

// newClient derives what the client can rely on.
func newClient(cfg *Config, servers []*Server, e *Ensemble) *Client {
	c := &Client{Kind: "client", Requested: Duration(cfg.Timeout), RollingRestart: Unknown, Unknown: Unknowns{}, Findings: []Finding{}}
	election := electionTime
	for _, s := range servers {
		if s.Timeout != 0 && (c.Granted == 0 || s.Timeout < c.Granted) {
			c.Granted, c.MaxStopTime = s.Timeout, Duration(s.maxStopTime)
		}
		election = max(election, time.Duration(s.Tick))
	}
	if c.Granted == 0 {
		for _, name := range []string{"sessionTimeoutMs", "maxStopTimeMs", "survivedOutageMs", "survivesRollingRestart"} {
			c.Unknown[name] = "no session"
		}
		c.Reason = "no session"
		return c
	}
	c.Outage = c.Granted / 4
	c.judgeRestart(servers, e, election)
	return c
}

// judgeRestart finds out whether an owner keeps what it owns while the servers are restarted
// one after the other.
func (c *Client) judgeRestart(servers []*Server, e *Ensemble, election time.Duration) {
	no := func(severity Severity, advice, format string, args ...any) {
		c.RollingRestart, c.Reason = No, fmt.Sprintf(format, args...)
		if advice != "" {
			c.Findings = append(c.Findings, Finding{RollingRestart, severity, "a rolling restart would not be survived: " + c.Reason, advice})
		}
	}
	outage := time.Duration(c.Outage)
	var leaderless time.Duration // the longest that a server has measured
	for _, s := range servers {
		leaderless = max(leaderless, s.leaderless)
	}
	switch {
	case e.Members == nil:
		c.Reason = "the number of servers is unknown"
		c.Unknown["survivesRollingRestart"] = e.Unknown["quorum"]
	case *e.Members == 1:
		no(Note, "", "the only server is down while it restarts; a holder survives %v", c.Outage) // the ensemble has a note about it
	case *e.Members == 2:
		no(Warning, "Use three servers.", "each of two servers is needed for a majority")
	case e.Serving < 2:
		no(Warning, "Name all servers in the connect string, and start those that are down.", "only one server of the connect string serves, and the client has no other while it restarts")
	case e.Synced != nil && *e.Synced-1 < *e.Members/2+1:
		no(Warning, "Start the servers that are down before others are restarted.", "with one server less there is no majority: %d of %d work", *e.Synced, *e.Members)
	case outage < election:
		no(Warning, fmt.Sprintf("Use a session timeout of %v or more.", 4*election), "a holder survives outages of %v, and the election of a leader may take %v", c.Outage, election)
	case leaderless > outage:
		c.Reason = fmt.Sprintf("a holder survives %v, and the servers were once without a leader for %v, perhaps at their start", c.Outage, Duration(leaderless))
		c.Unknown["survivesRollingRestart"] = c.Reason
	case e.Synced == nil:
		c.Reason = "it is unknown how many servers work"
		c.Unknown["survivesRollingRestart"] = e.Unknown["working"]
	default:
		c.RollingRestart = Yes
		c.Reason = fmt.Sprintf("if there is a new leader within %v", c.Outage)
	}
}
