package doctor

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/fourletter"
	"github.com/zkrecipes/zkrecipes/session"
)

// The limits from which on a server is reported.
const (
	queuedLimit    = 500     // half of the default of globalOutstandingLimit
	watchLimit     = 100_000 // per server
	clockLimit     = time.Second
	slowPart       = 20 // of the session timeout, for slow requests
	descriptorPart = 80 // percent of the file descriptors
)

func (s *Server) find(severity Severity, code Code, advice, format string, args ...any) {
	s.Findings = append(s.Findings, Finding{code, severity, fmt.Sprintf(format, args...), advice})
}

// conclude derives the report from what was learned.
func (x *examination) conclude() {
	x.fill()
	x.explain()
	if x.judgeConnection() {
		x.judgeService()
		x.judgeSettings()
	}
	x.judgeLoad()
}

// fill sets the fields of the report from the answers to words and of the admin server.
func (x *examination) fill() {
	x.Version = shortVersion(x.facts["version"])
	x.Mode = x.facts["server_state"]
	x.Outstanding = count(x.facts, "outstanding_requests")
	x.Nodes = count(x.facts, "znode_count")
	x.Watches = count(x.facts, "watch_count")
	x.Connections = count(x.facts, "num_alive_connections")
	x.Tick = Duration(millis(x.settings, "tickTime"))
	x.minTimeout = millis(x.settings, "minSessionTimeout")
	x.leaderless = millis(x.facts, "max_leader_unavailable_time")
	if n := count(x.facts, "quorum_size"); n != nil {
		x.quorumSize = int(*n)
	}
	if n := count(x.facts, "synced_followers"); n != nil {
		x.synced = int(*n)
	}
	if used, most := count(x.facts, "open_file_descriptor_count"), count(x.facts, "max_file_descriptor_count"); used != nil && most != nil {
		x.descriptors, x.descriptorLimit = *used, *most
	}
	x.Reachable = x.srvrErr == nil && x.addr != "" || errors.Is(x.srvrErr, fourletter.ErrNotListed) || errors.Is(x.srvrErr, fourletter.ErrNotServing) ||
		x.Timeout != 0 || x.Version != ""
}

// explain records why facts are unknown.
func (x *examination) explain() {
	unknown := func(known bool, name, why string) {
		if !known {
			x.Unknown[name] = why
		}
	}
	srvr, mntr := "no answer", "no answer"
	if x.addr != "" {
		srvr, mntr = whyNoWord(x.srvrErr, "srvr"), whyNoWord(x.mntrErr, "mntr")
	}
	unknown(x.Version != "", "version", srvr)
	unknown(x.Mode != "", "mode", srvr)
	unknown(x.Outstanding != nil, "outstanding", srvr)
	unknown(x.Nodes != nil, "nodes", srvr)
	unknown(x.Connections != nil, "connections", srvr)
	unknown(x.Watches != nil, "watches", mntr)
	noSession := x.whyNoSession()
	unknown(x.Timeout != 0, "sessionTimeoutMs", noSession)
	unknown(x.RoundTrip != nil, "roundTrip", noSession)
	unknown(x.Write != nil, "write", reasonOr(x.session.writeErr, noSession))
	unknown(x.Clock != nil, "clock", x.whyNoClock())
	unknown(x.MaxBuffer != nil, "maxBuffer", reasonOr(x.session.probeErr, noSession))
	unknown(x.Supports.Create2 != Unknown, "supports", reasonOr(x.session.probeErr, noSession))
}

// whyNoWord returns why the answer to a word is missing, and which setting shows it.
func whyNoWord(err error, word string) string {
	switch {
	case errors.Is(err, fourletter.ErrNotListed):
		return fmt.Sprintf("shown by 4lw.commands.whitelist=%s or admin.enableServer=true", word)
	case err == nil:
		return "not in the server's answer to " + word
	}
	return fmt.Sprintf("%s: %s", word, reason(err))
}

func reasonOr(err error, otherwise string) string {
	if err == nil {
		return otherwise
	}
	return sessionReason(err)
}

func (x *examination) whyNoClock() string {
	switch err := x.session.clockErr; {
	case errors.Is(err, session.ErrNoAuth), errors.Is(err, session.ErrNoNode):
		return "the credentials do not allow to create a node"
	case err != nil:
		return sessionReason(err)
	}
	return x.whyNoSession()
}

// whyNoSession returns why nothing was learned over a session.
func (x *examination) whyNoSession() string {
	switch err := x.session.readErr; {
	case errors.Is(err, session.ErrNoAuth):
		return "the server requires credentials"
	case err != nil:
		return "reads are not answered"
	case x.session.writeErr != nil:
		return "writes are not answered"
	}
	return "no session"
}

// sessionReason returns the essential part of an error of a session.
func sessionReason(err error) string {
	if errors.Is(err, errTimeout) {
		return errTimeout.Error()
	}
	return strings.TrimPrefix(reason(err), "session: ")
}

// judgeConnection adds the findings of a server that cannot be used, and reports whether a
// session was opened.
func (x *examination) judgeConnection() bool {
	var failed *tlsError
	switch err := x.session.err; {
	case x.lookupErr != nil:
		x.find(Error, LookupFailed, "Correct the name in the connect string, or its DNS entry.", "%s", reason(x.lookupErr))
		return false
	case x.addr == "" && errors.As(x.dialErr, &failed):
		x.find(Error, TLSFailed, "Check that the port is the secure client port, and check --tls-ca, --tls-cert, --tls-key and --tls-server-name.", "%s", failed)
		return false
	case x.addr == "":
		x.find(Error, Unreachable, "Start the server, check address and port, and let firewalls pass the port. If the server does not exist any more, remove it from the connect string.", "%s", reason(x.dialErr))
		return false
	case errors.Is(x.srvrErr, fourletter.ErrNotServing):
		x.find(Error, NotServing, "Start the other servers of the ensemble: it needs a majority. Check in the server's log whether it reaches them.",
			"the server is running and does not serve: it has no leader, or is just starting")
		return false
	case errors.Is(err, session.ErrAuthFailed):
		x.find(Error, CredentialsRefused, "Correct --auth or $ZKR_AUTH.", "the server refuses the credentials")
		return false
	case err != nil && !x.Reachable:
		x.find(Error, NoAnswer, "Check whether the server's process hangs or its disk is full, and whether the port is that of a ZooKeeper server and needs TLS.",
			"the server accepts connections and %s", noAnswerReason(err))
		return false
	case err != nil:
		x.find(Error, NoSession, "Read the server's log. A server that has lost its leader opens no sessions.", "the server answers srvr and opens no session: %s", sessionReason(err))
		return false
	}
	for _, a := range x.Addresses {
		if !a.Connected {
			x.find(Warning, AddressUnreachable, "Clients try each address of a name. Remove the address from DNS, or make the server listen on it.", "%s: %s", a.Address, a.Error)
		}
	}
	return true
}

// noAnswerReason continues "the server accepts connections and".
func noAnswerReason(err error) string {
	if errors.Is(err, errTimeout) {
		return "does not answer"
	}
	return "opens no session: " + sessionReason(err)
}

// judgeService adds the findings of requests.
func (x *examination) judgeService() {
	switch err := x.session.readErr; {
	case errors.Is(err, session.ErrNoAuth):
		x.find(Error, CredentialsMissing, "Give credentials with --auth or $ZKR_AUTH.", "the server requires every client to authenticate (enforce.auth.enabled)")
		return
	case err != nil:
		x.find(Error, ReadsUnanswered, "Check the server's load and log.", "the server opens sessions, and a read failed: %s", sessionReason(err))
		return
	}
	if err := x.session.writeErr; err != nil {
		x.find(Error, WritesUnanswered, "The server is cut off from its leader, or the ensemble has no majority. Check the network between the servers.", "reads are answered and writes are not: %s", sessionReason(err))
	}
	limit := x.Timeout / slowPart
	if l := x.RoundTrip; l != nil && l.high() > limit {
		x.find(Warning, SlowReads, "Check the network, and pauses for garbage collection on the server. Or use a longer session timeout.", "slow reads take %v; a session timeout of %v needs less than %v", l.high(), x.Timeout, limit)
	}
	if l := x.Write; l != nil && l.high() > limit {
		x.find(Warning, SlowWrites, "Put the transaction log (dataLogDir) on a fast disk that no other program uses.", "slow writes take %v; a session timeout of %v needs less than %v", l.high(), x.Timeout, limit)
	}
	if c := x.Clock; c != nil && time.Duration(c.Ahead).Abs() > clockLimit+time.Duration(c.Uncertainty) {
		direction := "ahead of"
		if c.Ahead < 0 {
			direction = "behind"
		}
		x.find(Warning, ClockDiffers, "Synchronize both clocks (NTP). Locks do not depend on it; ages of nodes, delays of items and retention times do.",
			"the clock of the servers is %v %s the clock of this machine", Duration(time.Duration(c.Ahead).Abs()), direction)
	}
	if x.Supports.Create2 == No || x.Supports.Containers == No {
		var missing []string
		if x.Supports.Create2 == No {
			missing = append(missing, "create2")
		}
		if x.Supports.Containers == No {
			missing = append(missing, "containers")
		}
		x.find(Warning, OldServer, "docs/compatibility.md says what replaces them. Without containers, empty parents stay until they are removed by hand.",
			"the server does not support %s", strings.Join(missing, " and "))
	}
}

// judgeSettings adds the findings of the server's settings.
func (x *examination) judgeSettings() {
	if granted, wanted := x.Timeout, Duration(x.cfg.Timeout); granted != 0 && granted != wanted {
		setting := "maxSessionTimeout"
		if granted > wanted {
			setting = "minSessionTimeout"
		}
		x.find(Warning, TimeoutChanged, fmt.Sprintf("Request a timeout that the server grants, or change its %s.", setting), "the server grants a session timeout of %v instead of %v", granted, wanted)
	}
	if tick := time.Duration(x.Tick); tick > 0 && x.minTimeout > 0 && x.minTimeout < 2*tick {
		x.find(Error, TimeoutMinimum, "Set minSessionTimeout to two ticks or more: the servers may otherwise end sessions too early. See docs/guarantees.md.",
			"minSessionTimeout is %v, and two ticks are %v", x.minTimeout, 2*tick)
	}
	if l := x.MaxBuffer; l != nil && l.Exact && l.Bytes < x.cfg.MaxBuffer {
		x.find(Error, SmallBuffer, "Set the same jute.maxbuffer on all servers, and --max-buffer (session.WithMaxBuffer) not higher than that.",
			"the server closes the connection on requests of more than %d bytes; the client sends up to %d", l.Bytes, x.cfg.MaxBuffer)
	}
}

// judgeLoad adds the findings of the server's figures.
func (x *examination) judgeLoad() {
	if strings.HasPrefix(x.Mode, "read-only") {
		x.find(Error, ReadOnly, "Restore the connection of the server to the majority of the ensemble.", "the server is read-only: it is cut off from the ensemble")
	}
	if n := x.Outstanding; n != nil && *n >= queuedLimit {
		x.find(Warning, RequestsQueued, "Check the disk of the transaction log and the load. From globalOutstandingLimit (1000) on, clients are slowed down.", "%d requests are queued", *n)
	}
	if n := x.Watches; n != nil && *n >= watchLimit {
		x.find(Warning, ManyWatches, "Find the client that sets them (wchc on a quiet server, or the admin server's command watches). A change of a node with many watches delays all clients.", "clients have set %d watches", *n)
	}
	if x.descriptorLimit > 0 && x.descriptors*100 >= x.descriptorLimit*descriptorPart {
		x.find(Warning, FewDescriptors, "Raise the limit of open files of the server's process, or find the clients that open many connections.", "%d of %d file descriptors are in use", x.descriptors, x.descriptorLimit)
	}
}
