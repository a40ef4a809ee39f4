package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/doctor"
)

// The widths of a report: of a line, and of the names on its left.
const (
	reportWidth = 80
	reportNames = 18
)

// reportText is the text of one part of a report.
type reportText struct {
	b       strings.Builder
	unknown doctor.Unknowns
}

func newReportText(title string, unknown doctor.Unknowns) *reportText {
	t := &reportText{unknown: unknown}
	t.b.WriteString(title + "\n")
	return t
}

// row adds a name and its value. A long value continues below its beginning.
func (t *reportText) row(name, value string) {
	for i, line := range wrap(value, reportWidth-reportNames-2) {
		if i > 0 {
			name = ""
		}
		fmt.Fprintf(&t.b, "  %-*s%s\n", reportNames, name, line)
	}
}

// fact adds a row with a fact, or with the reason why it is unknown.
func (t *reportText) fact(name, key string, known bool, format string, args ...any) {
	switch why, ok := t.unknown[key]; {
	case known:
		t.row(name, fmt.Sprintf(format, args...))
	case ok:
		t.row(name, "unknown ("+why+")")
	default:
		t.row(name, "unknown")
	}
}

// number adds a row with a number, or with the reason why it is unknown.
func (t *reportText) number(name, key string, n *int64) {
	text := ""
	if n != nil {
		text = strconv.FormatInt(*n, 10)
	}
	t.fact(name, key, n != nil, "%s", text)
}

func (t *reportText) findings(list []doctor.Finding) {
	for _, f := range list {
		t.row(string(f.Severity), fmt.Sprintf("%s: %s", f.Code, f.Message))
		t.row("", f.Advice)
	}
}

// text returns the report. It ends with a newline, so printing it as a line separates the parts.
func (t *reportText) text() string { return t.b.String() }

// wrap breaks text into lines of at most width characters where possible.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}

func serverText(s *doctor.Server) string {
	t := newReportText("server "+s.Server, s.Unknown)
	name := "addresses"
	for _, a := range s.Addresses {
		state := "accepts connections"
		if !a.Connected {
			state = a.Error
		}
		t.row(name, a.Address+" "+state)
		name = ""
	}
	if len(s.Addresses) == 0 {
		t.row(name, "none")
	}
	t.row("reachable", map[bool]string{true: "yes", false: "no"}[s.Reachable])
	if s.Serving || s.Version != "" {
		t.fact("version", "version", s.Version != "", "%s", s.Version)
		t.fact("mode", "mode", s.Mode != "", "%s", s.Mode)
		t.fact("supports", "supports", s.Supports.Create2 != doctor.Unknown, "%s", supportsText(s.Supports))
		t.fact("session timeout", "sessionTimeoutMs", s.Timeout != 0, "%v", s.Timeout)
		t.fact("round trip", "roundTrip", s.RoundTrip != nil, "%s", latencyText(s.RoundTrip))
		t.fact("write", "write", s.Write != nil, "%s", latencyText(s.Write))
		t.fact("jute.maxbuffer", "maxBuffer", s.MaxBuffer != nil, "%v", s.MaxBuffer)
		t.fact("clock", "clock", s.Clock != nil, "%s", clockText(s.Clock))
		t.number("outstanding", "outstanding", s.Outstanding)
		t.number("nodes", "nodes", s.Nodes)
		t.number("watches", "watches", s.Watches)
		t.number("connections", "connections", s.Connections)
	}
	t.findings(s.Findings)
	return t.text()
}

func supportsText(a doctor.Abilities) string {
	if a.TTL == doctor.No && a.Containers == doctor.Yes {
		return a.String() + " (TTL needs zookeeper.extendedTypesEnabled=true)"
	}
	return a.String()
}

func latencyText(l *doctor.Latency) string {
	if l == nil {
		return ""
	}
	return fmt.Sprintf("p50 %v, p99 %v (of %d)", l.P50, l.P99, l.Samples)
}

func clockText(c *doctor.Clock) string {
	switch {
	case c == nil:
		return ""
	case time.Duration(c.Ahead).Abs() <= time.Duration(c.Uncertainty):
		return fmt.Sprintf("the same within %v", c.Uncertainty)
	case c.Ahead < 0:
		return fmt.Sprintf("%v behind, to within %v", -c.Ahead, c.Uncertainty)
	}
	return fmt.Sprintf("%v ahead, to within %v", c.Ahead, c.Uncertainty)
}

func ensembleText(e *doctor.Ensemble) string {
	t := newReportText("ensemble", e.Unknown)
	quorum := ""
	if e.Members != nil {
		quorum = fmt.Sprintf("%d of %d servers", *e.Quorum, *e.Members)
	}
	t.fact("quorum", "quorum", e.Members != nil, "%s", quorum)
	working := ""
	if e.Synced != nil {
		working = strconv.Itoa(*e.Synced)
	}
	t.fact("working together", "working", e.Synced != nil, "%s", working)
	t.fact("leader", "leader", e.Leader != "", "%s", e.Leader)
	t.number("outstanding", "outstanding", e.Outstanding)
	t.number("nodes", "nodes", e.Nodes)
	t.number("watches", "watches", e.Watches)
	t.findings(e.Findings)
	return t.text()
}

func clientText(c *doctor.Client) string {
	t := newReportText("client", c.Unknown)
	t.fact("session timeout", "sessionTimeoutMs", c.Granted != 0, "%v", c.Granted)
	t.fact("longest stop time", "maxStopTimeMs", c.MaxStopTime != 0, "%v", c.MaxStopTime)
	t.fact("survives outages", "survivedOutageMs", c.Outage != 0, "of %v", c.Outage)
	restart := string(c.RollingRestart)
	if c.RollingRestart == doctor.Yes {
		restart = "survived"
	} else if c.RollingRestart == doctor.No {
		restart = "not survived"
	}
	t.row("rolling restart", restart+": "+c.Reason)
	t.findings(c.Findings)
	return t.text()
}
