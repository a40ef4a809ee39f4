package inspect

import (
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// Kind is the kind of a recipe.
type Kind string

// The kinds. KindLine is a line of sequential ephemeral nodes whose names no known
// library uses, and KindFolder a node that is only the parent of others.
const (
	KindLock          Kind = "lock"
	KindRWLock        Kind = "rwlock"
	KindSemaphore     Kind = "semaphore"
	KindElection      Kind = "election"
	KindFixedNode     Kind = "fixed-node"
	KindLine          Kind = "line"
	KindBarrier       Kind = "barrier"
	KindDoubleBarrier Kind = "double-barrier"
	KindLatch         Kind = "latch"
	KindQueue         Kind = "queue"
	KindTasks         Kind = "tasks"
	KindGroup         Kind = "group"
	KindService       Kind = "service"
	KindRegistry      Kind = "registry"
	KindSlots         Kind = "slots"
	KindSequence      Kind = "sequence"
	KindValue         Kind = "value"
	KindReceipts      Kind = "receipts"
	KindPartitioner   Kind = "partitioner"
	KindLease         Kind = "lease"
	KindSystem        Kind = "system"
	KindFolder        Kind = "folder"
)

// Report is what Read found at and below a path.
type Report struct {
	Path string `json:"path"`
	// Recipes has one element if a recipe is at Path itself, and otherwise those below
	// it, in the order of their paths.
	Recipes []*Recipe `json:"recipes"`
	// Tree is true if no recipe is at Path itself.
	Tree bool `json:"tree"`
	// Note says of which recipe the node at Path is a part, if it is one.
	Note string `json:"note,omitempty"`
	// LeftOut says what was not read.
	LeftOut []string `json:"leftOut,omitempty"`
}

// Recipe describes the nodes of one recipe. Fields that its Kind does not have are
// empty.
type Recipe struct {
	Path string `json:"path"`
	Kind Kind   `json:"kind"`
	// Name is what people call the recipe, such as "read/write lock".
	Name string `json:"name"`
	// Layout is the name of the layout, as in the options of zkr, and System the program
	// that the nodes belong to.
	Layout string `json:"layout,omitempty"`
	System string `json:"system,omitempty"`
	// Libraries are those that take part, as far as the names of nodes show it.
	Libraries []string `json:"libraries,omitempty"`
	// Or names the other recipes whose nodes may look like these.
	Or []string `json:"or,omitempty"`
	// Note is a sentence about the state or the purpose of the nodes.
	Note string `json:"note,omitempty"`

	// Owners are the holders of a lock, the leader, the owners of permits, slots and
	// claims, or a pool's master.
	Owners []Participant `json:"owners,omitempty"`
	// Waiters are waiters or candidates, in order.
	Waiters []Participant `json:"waiters,omitempty"`
	// Members are those of a group, a service, a barrier or a pool.
	Members []Participant `json:"members,omitempty"`
	// OwnerCount, WaiterCount and MemberCount are larger than the lists if these are
	// incomplete.
	OwnerCount  int `json:"ownerCount,omitempty"`
	WaiterCount int `json:"waiterCount,omitempty"`
	MemberCount int `json:"memberCount,omitempty"`
	// Limit is the number of permits of a semaphore.
	Limit int `json:"limit,omitempty"`

	Queue    *Queue    `json:"queue,omitempty"`
	Tasks    *Tasks    `json:"tasks,omitempty"`
	Value    *Value    `json:"value,omitempty"`
	Services []Service `json:"services,omitempty"`

	Findings []Finding `json:"findings,omitempty"`
	LeftOut  []string  `json:"leftOut,omitempty"`
}

// Participant is a node that belongs to a client: a contender, a claim, a member.
type Participant struct {
	Node string `json:"node"` // the name of the node, or its path below the recipe's
	ID   string `json:"id,omitempty"`
	Host string `json:"host,omitempty"`
	PID  int    `json:"pid,omitempty"`
	// Session is the owner in hexadecimal, and empty if the node is ownerless.
	Session string       `json:"session,omitempty"`
	Token   session.Zxid `json:"token"`
	// Since is when the node was created. HeldSince is when ownership began, if the
	// nodes show that with certainty.
	Since     time.Time  `json:"since"`
	HeldSince *time.Time `json:"heldSince,omitempty"`
	Connected Connection `json:"connected"`
	// Client is the address from which the session is connected.
	Client  string `json:"client,omitempty"`
	Library string `json:"library,omitempty"`
	// Mode is "read" or "write" in a read/write lock, and the number of a slot.
	Mode string `json:"mode,omitempty"`
	// Wants is the number of permits that a waiter for a semaphore wants.
	Wants     int  `json:"wants,omitempty"`
	Revoked   bool `json:"revoked,omitempty"`   // it was asked to release
	Ownerless bool `json:"ownerless,omitempty"` // no session owns the node
	// Data is a member's data, an instance's address, or the id of a claimed item.
	Data string `json:"data,omitempty"`

	sessionID int64
}

// Connection reports whether a session is connected to a server.
type Connection string

// The values of Connection. Silent is a session with a connection on which the
// servers have received nothing for more than half of the session timeout.
const (
	Unknown      Connection = "unknown"
	Connected    Connection = "yes"
	Silent       Connection = "silent"
	Disconnected Connection = "no"
)

// Finding is a reason why a recipe does not proceed, or soon will not.
type Finding struct {
	Cause Cause  `json:"cause"`
	Node  string `json:"node,omitempty"`
	Text  string `json:"text"`
}

// Cause is the kind of a finding.
type Cause string

// The causes.
const (
	CauseOwnerless    Cause = "ownerless"
	CauseDisconnected Cause = "not-connected"
	CauseSilent       Cause = "silent"
	CauseRevoked      Cause = "revoked"
	CauseSequenceEnd  Cause = "sequence-end"
	CauseAttempts     Cause = "attempts"
	CauseDeadLetters  Cause = "dead-letters"
	CauseNotDue       Cause = "not-due"
	CauseNoMaster     Cause = "no-master"
	CauseNoWorkers    Cause = "no-workers"
	CauseFailedTasks  Cause = "failed-tasks"
	CauseMixed        Cause = "mixed-layouts"
	CauseForeign      Cause = "foreign-node"
	CauseStaleReady   Cause = "stale-ready"
	CauseNoAuth       Cause = "no-auth"
)

// Queue is the state of a queue.
type Queue struct {
	Length int `json:"length"`
	// Claimed is the number of claimed items, and Delayed that of items that are not due
	// among those that were read.
	Claimed int `json:"claimed"`
	Delayed int `json:"delayed"`
	// Head is the first item that is neither claimed nor delayed.
	Head *Item `json:"head,omitempty"`
	// Oldest is the time at which the oldest item was created, among those that were
	// read.
	Oldest      *time.Time `json:"oldest,omitempty"`
	DeadLetters int        `json:"deadLetters"`
	// Dead are some of the dead letters.
	Dead []DeadLetter `json:"dead,omitempty"`
}

// Item is an item of a queue.
type Item struct {
	Node     string    `json:"node"`
	ID       string    `json:"id"` // as zkr queue ls prints it
	Since    time.Time `json:"since"`
	Attempts int       `json:"attempts"`
	Size     int       `json:"size"`
	Line     string    `json:"line"` // the first line of its data
}

// DeadLetter is a dead letter of a queue.
type DeadLetter struct {
	Node     string    `json:"node"`
	ID       string    `json:"id"` // as zkr queue dead ls prints it
	Since    time.Time `json:"since"`
	Reason   string    `json:"reason,omitempty"`
	Attempts int       `json:"attempts,omitempty"`
}

// Tasks is the state of a pool of tasks: the numbers of tasks in each state.
type Tasks struct {
	Total    int          `json:"total"`
	Pending  int          `json:"pending"`
	Assigned int          `json:"assigned"`
	Running  int          `json:"running"`
	Done     int          `json:"done"`
	Failed   int          `json:"failed"`
	Workers  []WorkerLoad `json:"workers,omitempty"`
}

// WorkerLoad is the tasks in the inbox of a worker.
type WorkerLoad struct {
	ID       string `json:"id"`
	Alive    bool   `json:"alive"`
	Assigned int    `json:"assigned"`
	Running  int    `json:"running"`
}

// Value is the data of a node.
type Value struct {
	Version  int32     `json:"version"`
	Size     int       `json:"size"`
	Modified time.Time `json:"modified"`
	// Line is the first line of text, the number, or the target of a link.
	Line     string `json:"line"`
	Children int    `json:"children,omitempty"`
}

// Service is a service of a registry.
type Service struct {
	Name      string `json:"name"`
	Instances int    `json:"instances"`
}

// add appends a finding.
func (r *Recipe) add(cause Cause, node, text string) {
	r.Findings = append(r.Findings, Finding{cause, node, text})
}
