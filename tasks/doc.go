// Package tasks provides a pool of tasks: clients submit tasks, workers carry them
// out, and one elected master assigns each task to a live worker. If that worker
// dies, the master assigns the task to another one.
//
// Use a pool if tasks are to be distributed by load, capacity or key, or if a client
// waits for results. Use package queue if any consumer may take any item. A handler
// can run more than once for the same task, so it must tolerate that.
//
// # Usage
//
// Clients call Submit and Ticket.Wait, workers call Work, and each candidate for the
// master calls Master. The three parts may run in one process or in several.
//
// # Loss
//
// A task has at most one final status: writing the status is a create, which
// succeeds once. A task is never lost: as long as it has no status and is in no
// inbox, it waits to be assigned. Whatever ended a master, the next one finds the
// task by reading the nodes.
//
// A task is in one inbox at a time. Only the master assigns tasks, in a transaction
// that fails unless it is still the master. A new master first makes every later
// transaction of earlier masters fail, and then reads where the tasks are.
//
// Handlers of one task never run in two live sessions at once. A worker runs a
// handler while it owns a claim, an ephemeral node in the assignment, and no client
// can delete an assignment that contains a claim. The claim is deleted first, when
// the worker's session ends or by the worker itself, and the handler's context is
// canceled with it. As with every lease, a process that was suspended for longer
// than its session timeout may continue for a moment. Fence its writes with
// Task.Token.
//
// Handlers run at least once: if a worker dies, the attempt is followed by another
// one, up to WithMaxAttempts.
//
// # Layout
//
// The nodes are those of the system of masters, workers and clients in the ZooKeeper
// book, so each part may be played by hand while programs play the others:
//
//	/master                            the master: ephemeral, its address
//	/workers/ID                        a live worker: ephemeral, its address
//	/assign/ID                         the worker's inbox; how many tasks it takes at a time
//	/assign/ID/task-0000000000         the task is assigned to this worker
//	/assign/ID/task-0000000000/claim   the worker runs the task: ephemeral
//	/tasks/task-0000000000             a task: its input
//	/tasks/task-0000000000/status      "done", or "failed: MESSAGE"; the task is finished
//	/tasks/task-0000000000/result      its result
//	/tasks/task-0000000000/attempts    failed attempts
//
// All are below the pool's path. The claim, result and attempts nodes and the number
// in the inbox are additions of this package. Where they are missing, the package
// works without them.
package tasks
