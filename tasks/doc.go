// Package tasks is a pool of tasks: clients submit them, workers carry them out,
// and one master among several candidates assigns each task to a live worker, and
// to another when that one dies.
//
// It is the system of masters, workers and clients from the ZooKeeper book, node by
// node, so that each part may be played by hand while programs play the others:
//
//	/master                            the master: ephemeral, its address
//	/workers/ID                        a live worker: ephemeral, its address
//	/assign/ID                         the worker's inbox; how many tasks it takes at a time
//	/assign/ID/task-0000000000         the worker is to carry out this task
//	/assign/ID/task-0000000000/claim   it is at it: ephemeral
//	/tasks/task-0000000000             a task: what to do
//	/tasks/task-0000000000/status      "done", or "failed: MESSAGE"; the task is finished
//	/tasks/task-0000000000/result      what came of it
//	/tasks/task-0000000000/attempts    attempts that have failed
//
// all below the pool's path. Claim, result, attempts and the number in the inbox are
// this package's own; where they are missing, it does without.
//
// # What holds
//
// A task has one final status at most: writing it is a create that succeeds once. It
// is never lost: as long as it has no status and is in no inbox, it waits to be
// assigned, whatever a master died of, and the next master sees so from the nodes
// alone.
//
// A task is in one inbox at a time. Only the master puts it there, in a transaction
// that fails unless it is still the master; a new master first makes every
// transaction of those before it fail for ever, and then looks where the tasks are.
//
// Handlers of one task never run in two live sessions at once. A worker runs a
// handler while it holds a claim, an ephemeral node in the assignment, and nobody
// can take an assignment away that has a claim in it: the claim goes first, with
// the worker's session or by its own hand, and the handler's context with it. As
// with every lease, a process that was stopped for longer than its session lives
// may go on for a moment; Task.Token fences what it does then.
//
// Handlers run at least once: an attempt whose worker dies is followed by another,
// up to MaxAttempts.
package tasks
