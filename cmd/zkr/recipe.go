package main

import (
	"bytes"
	"regexp"
	"slices"
)

// recipe is a recipe that is recognized by its nodes, as error texts name it.
type recipe string

const (
	recipeLock          recipe = "a lock"
	recipeElection      recipe = "an election"
	recipeSemaphore     recipe = "a semaphore"
	recipeDoubleBarrier recipe = "a double barrier"
	recipeQueue         recipe = "a queue"
	recipeCuratorQueue  recipe = "a queue of --layout curator"
	recipePriorityQueue recipe = "a priority queue of Curator"
	recipeDelayQueue    recipe = "a delay queue of Curator"
	recipeSimpleQueue   recipe = "a queue of --layout simple"
	recipeKazooQueue    recipe = "a queue of --layout kazoo"
	recipeLockingQueue  recipe = "a locking queue of Kazoo"
	recipeTaskPool      recipe = "a pool of tasks"
	recipeSlots         recipe = "numbered slots"
	recipeParty         recipe = "a party of Kazoo"
)

// sequencePattern matches a sequence number.
const sequencePattern = `-?\d{10}`

// childPatterns are the recipes that the name of one child identifies.
var childPatterns = []struct {
	recipe recipe
	name   *regexp.Regexp
}{
	{recipeLock, regexp.MustCompile(`(-lock-|__lock__|__rlock__|__WRIT__|__READ__)` + sequencePattern + `$`)},
	{recipeElection, regexp.MustCompile(`-latch-` + sequencePattern + `$`)},
	{recipeCuratorQueue, regexp.MustCompile(`^queue-` + sequencePattern + `(-\d+)?$`)},
	{recipePriorityQueue, regexp.MustCompile(`^queue-[01][0-9A-F]{8}` + sequencePattern + `(-\d+)?$`)},
	{recipeDelayQueue, regexp.MustCompile(`^queue-\|[0-9A-F]+\|` + sequencePattern + `(-\d+)?$`)},
	{recipeSimpleQueue, regexp.MustCompile(`^qn-` + sequencePattern + `$`)},
	{recipeKazooQueue, regexp.MustCompile(`^entry-\d{3}-` + sequencePattern + `$`)},
	{recipeParty, regexp.MustCompile(`^[0-9a-f]{32}__party__(` + sequencePattern + `)?$`)},
}

// folderPatterns are the recipes that have folders. All children in needed exist, and
// all other children are in also or match matching.
var folderPatterns = []struct {
	recipe       recipe
	needed, also []string
	matching     *regexp.Regexp
}{
	{recipe: recipeSemaphore, needed: []string{"leases"}, also: []string{"locks"}},
	{recipe: recipeSemaphore, needed: []string{"locks"}, also: []string{"leases"}},
	{recipe: recipeQueue, needed: []string{"items"}, also: []string{"claims", "dead"}},
	{recipe: recipeQueue, needed: []string{"claims"}, also: []string{"items", "dead"}},
	{recipe: recipeLockingQueue, needed: []string{"entries", "taken"}, also: []string{"dead"}},
	{recipe: recipeTaskPool, needed: []string{"tasks", "workers", "assign"}, also: []string{"master"}},
	{recipe: recipeSlots, needed: []string{"waiting"}, matching: regexp.MustCompile(`^(0|[1-9]\d*)$`)},
}

// roundRecord is the beginning of the data of a double barrier.
var roundRecord = []byte("round\n")

// recognize returns the recipes whose nodes are at a path, by the data of its node and
// the names of its children. Not every recipe can be recognized: a group, for example,
// has members of any name.
func recognize(data []byte, children []string) (rs []recipe) {
	for _, p := range childPatterns {
		if slices.ContainsFunc(children, p.name.MatchString) {
			rs = append(rs, p.recipe)
		}
	}
	for _, p := range folderPatterns {
		unexpected := func(name string) bool {
			return !slices.Contains(p.needed, name) && !slices.Contains(p.also, name) && (p.matching == nil || !p.matching.MatchString(name))
		}
		missing := func(name string) bool { return !slices.Contains(children, name) }
		if !slices.ContainsFunc(children, unexpected) && !slices.ContainsFunc(p.needed, missing) && !slices.Contains(rs, p.recipe) {
			rs = append(rs, p.recipe)
		}
	}
	if bytes.HasPrefix(data, roundRecord) {
		rs = append(rs, recipeDoubleBarrier)
	}
	return rs
}
