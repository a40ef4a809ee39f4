package main

import (
	"bytes"
	"regexp"
	"slices"
)

// recipe is what people call a recipe that is known by its nodes.
type recipe string

const (
	aLock          recipe = "a lock"
	anElection     recipe = "an election"
	aSemaphore     recipe = "a semaphore"
	aDoubleBarrier recipe = "a double barrier"
	aQueue         recipe = "a queue"
	aCuratorQueue  recipe = "a queue of --layout curator"
	aPriorityQueue recipe = "a priority queue of Curator"
	aDelayQueue    recipe = "a delay queue of Curator"
	aSimpleQueue   recipe = "a queue of --layout simple"
	aKazooQueue    recipe = "a queue of --layout kazoo"
	aLockingQueue  recipe = "a locking queue of Kazoo"
	aTaskPool      recipe = "a pool of tasks"
	someSlots      recipe = "numbered slots"
	aParty         recipe = "a party of Kazoo"
)

// seq is a sequence number.
const seq = `-?\d{10}`

// byChild are the recipes that one child's name is enough to know by.
var byChild = []struct {
	recipe recipe
	name   *regexp.Regexp
}{
	{aLock, regexp.MustCompile(`(-lock-|__lock__|__rlock__|__WRIT__|__READ__)` + seq + `$`)},
	{anElection, regexp.MustCompile(`-latch-` + seq + `$`)},
	{aCuratorQueue, regexp.MustCompile(`^queue-` + seq + `(-\d+)?$`)},
	{aPriorityQueue, regexp.MustCompile(`^queue-[01][0-9A-F]{8}` + seq + `(-\d+)?$`)},
	{aDelayQueue, regexp.MustCompile(`^queue-\|[0-9A-F]+\|` + seq + `(-\d+)?$`)},
	{aSimpleQueue, regexp.MustCompile(`^qn-` + seq + `$`)},
	{aKazooQueue, regexp.MustCompile(`^entry-\d{3}-` + seq + `$`)},
	{aParty, regexp.MustCompile(`^[0-9a-f]{32}__party__(` + seq + `)?$`)},
}

// byChildren are the recipes that have folders: all children of the path are among
// those named or match also, and the needed ones are there.
var byChildren = []struct {
	recipe       recipe
	needed, also []string
	matching     *regexp.Regexp
}{
	{recipe: aSemaphore, needed: []string{"leases"}, also: []string{"locks"}},
	{recipe: aSemaphore, needed: []string{"locks"}, also: []string{"leases"}},
	{recipe: aQueue, needed: []string{"items"}, also: []string{"claims", "dead"}},
	{recipe: aQueue, needed: []string{"claims"}, also: []string{"items", "dead"}},
	{recipe: aLockingQueue, needed: []string{"entries", "taken"}, also: []string{"dead"}},
	{recipe: aTaskPool, needed: []string{"tasks", "workers", "assign"}, also: []string{"master"}},
	{recipe: someSlots, needed: []string{"waiting"}, matching: regexp.MustCompile(`^(0|[1-9]\d*)$`)},
}

// roundRecord is how the data of a double barrier begins.
var roundRecord = []byte("round\n")

// recognise returns the recipes whose nodes are at a path, by the data of its node
// and the names of its children. Many recipes leave nothing to know them by: a
// group has members of any name.
func recognise(data []byte, children []string) (rs []recipe) {
	for _, k := range byChild {
		if slices.ContainsFunc(children, k.name.MatchString) {
			rs = append(rs, k.recipe)
		}
	}
	for _, k := range byChildren {
		foreign := func(name string) bool {
			return !slices.Contains(k.needed, name) && !slices.Contains(k.also, name) && (k.matching == nil || !k.matching.MatchString(name))
		}
		missing := func(name string) bool { return !slices.Contains(children, name) }
		if !slices.ContainsFunc(children, foreign) && !slices.ContainsFunc(k.needed, missing) && !slices.Contains(rs, k.recipe) {
			rs = append(rs, k.recipe)
		}
	}
	if bytes.HasPrefix(data, roundRecord) {
		rs = append(rs, aDoubleBarrier)
	}
	return rs
}
