package doctor

import "time"

// Severity is how bad a finding is.
type Severity string

const (
	// Error: something does not work.
	Error Severity = "error"
	// Warning: it works now, and will not at the next failure or under load.
	Warning Severity = "warning"
	// Note: a limit to know of, which may be wanted. Notes are not failures.
	Note Severity = "note"
)

// Code identifies a kind of finding. Codes do not change.
type Code string

// The codes of findings about a server.
const (
	LookupFailed       Code = "lookup-failed"
	Unreachable        Code = "unreachable"
	NoAnswer           Code = "no-answer"
	TLSFailed          Code = "tls-failed"
	AddressUnreachable Code = "address-unreachable"
	NotServing         Code = "not-serving"
	NoSession          Code = "no-session"
	CredentialsRefused Code = "credentials-refused"
	CredentialsMissing Code = "credentials-missing"
	ReadOnly           Code = "read-only"
	ReadsUnanswered    Code = "reads-unanswered"
	WritesUnanswered   Code = "writes-unanswered"
	SlowReads          Code = "slow-reads"
	SlowWrites         Code = "slow-writes"
	TimeoutChanged     Code = "timeout-changed"
	TimeoutMinimum     Code = "timeout-minimum"
	OldServer          Code = "old-server"
	SmallBuffer        Code = "small-buffer"
	ClockDiffers       Code = "clock-differs"
	RequestsQueued     Code = "requests-queued"
	ManyWatches        Code = "many-watches"
	FewDescriptors     Code = "few-descriptors"
)

// The codes of findings about the ensemble.
const (
	NoQuorum         Code = "no-quorum"
	NoLeader         Code = "no-leader"
	SeveralLeaders   Code = "several-leaders"
	SeparateServers  Code = "separate-servers"
	ServersMissing   Code = "servers-missing"
	NotFaultTolerant Code = "not-fault-tolerant"
	VersionsDiffer   Code = "versions-differ"
	OperationsDiffer Code = "operations-differ"
	BuffersDiffer    Code = "buffers-differ"
	TimeoutsDiffer   Code = "timeouts-differ"
	ServersNotListed Code = "servers-not-listed"
)

// The codes of findings about the client.
const (
	RollingRestart Code = "rolling-restart"
)

// Finding is something that should be looked at.
type Finding struct {
	Code     Code     `json:"code"`
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	Advice   string   `json:"advice"`
}

// Unknowns has the reasons why facts of a report are unknown, or the settings that show them.
// The keys are the names of the facts in JSON.
type Unknowns map[string]string

// Server is the report of one server.
type Server struct {
	Kind      string    `json:"report"` // "server"
	Server    string    `json:"server"` // host:port as in the connect string
	Addresses []Address `json:"addresses"`
	Reachable bool      `json:"reachable"` // it has answered
	Serving   bool      `json:"serving"`   // it opens sessions
	Version   string    `json:"version,omitempty"`
	Mode      string    `json:"mode,omitempty"` // leader, follower, observer, standalone, read-only
	Supports  Abilities `json:"supports"`
	Timeout   Duration  `json:"sessionTimeoutMs,omitempty"` // granted
	Tick      Duration  `json:"tickTimeMs,omitempty"`
	RoundTrip *Latency  `json:"roundTrip,omitempty"`
	Write     *Latency  `json:"write,omitempty"`
	MaxBuffer *Limit    `json:"maxBuffer,omitempty"`
	Clock     *Clock    `json:"clock,omitempty"`

	Outstanding *int64 `json:"outstanding,omitempty"`
	Nodes       *int64 `json:"nodes,omitempty"`
	Watches     *int64 `json:"watches,omitempty"`
	Connections *int64 `json:"connections,omitempty"`

	Unknown  Unknowns  `json:"unknown,omitempty"`
	Findings []Finding `json:"findings"`

	maxStopTime     time.Duration
	minTimeout      time.Duration
	members         []string      // of the quorum, if the server shows them
	quorumSize      int           // 0 if it is unknown
	synced          int           // followers of this leader, -1 if unknown
	leaderless      time.Duration // the longest time without a leader that it has measured
	descriptors     int64
	descriptorLimit int64
}

// Address is one address of a server.
type Address struct {
	Address   string `json:"address"`
	Connected bool   `json:"connected"` // it accepts connections
	Error     string `json:"error,omitempty"`
}

// Answer is whether a server supports something.
type Answer string

const (
	Yes Answer = "yes"
	No  Answer = "no"
	// Unknown: the server could not be asked.
	Unknown Answer = "unknown"
)

// Abilities are the operations and features that differ between servers.
type Abilities struct {
	Create2    Answer `json:"create2"`
	Containers Answer `json:"containers"`
	TTL        Answer `json:"ttl"`
	AddWatch   Answer `json:"addWatch"`
	SASL       Answer `json:"sasl"`
}

// Latency describes how long requests took.
type Latency struct {
	P50     Duration `json:"p50Ms"`
	P99     Duration `json:"p99Ms"`
	Samples int      `json:"samples"`
}

// Limit is the size of the longest request that a server accepts.
type Limit struct {
	Bytes int `json:"bytes"`
	// Exact is false if the server also accepts longer requests than that, perhaps.
	Exact bool `json:"exact"`
}

// Clock is by how much the server's clock is ahead of this machine's. In an ensemble it is
// the clock of the leader, which sets the times of nodes.
type Clock struct {
	Ahead       Duration `json:"aheadMs"`
	Uncertainty Duration `json:"uncertaintyMs"`
}

// Ensemble is the report of the servers together.
type Ensemble struct {
	Kind        string    `json:"report"` // "ensemble"
	Members     *int      `json:"members,omitempty"`
	Quorum      *int      `json:"quorum,omitempty"`  // how many members must work together
	Serving     int       `json:"serving"`           // of the servers in the connect string
	Synced      *int      `json:"working,omitempty"` // members that work together now, the leader included
	Leader      string    `json:"leader,omitempty"`
	Outstanding *int64    `json:"outstanding,omitempty"` // the sum of the servers
	Nodes       *int64    `json:"nodes,omitempty"`       // of the leader, or of the server with the most
	Watches     *int64    `json:"watches,omitempty"`     // the sum of the servers
	Unknown     Unknowns  `json:"unknown,omitempty"`
	Findings    []Finding `json:"findings"`

	standalone bool
}

// Client is the report of what this client can rely on.
type Client struct {
	Kind           string    `json:"report"`                     // "client"
	Requested      Duration  `json:"requestedTimeoutMs"`         // session timeout
	Granted        Duration  `json:"sessionTimeoutMs,omitempty"` // the smallest that a server grants
	MaxStopTime    Duration  `json:"maxStopTimeMs,omitempty"`
	Outage         Duration  `json:"survivedOutageMs,omitempty"`
	RollingRestart Answer    `json:"survivesRollingRestart"`
	Reason         string    `json:"reason,omitempty"` // of RollingRestart
	Unknown        Unknowns  `json:"unknown,omitempty"`
	Findings       []Finding `json:"findings"`
}

// Duration is a time.Duration that is milliseconds in JSON.
type Duration time.Duration
