package tasks

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/session"
)

// masterState is what the master knows of tasks and workers. A new master reads it
// from the nodes.
//
// A task has these states on the servers. Pending means that it has no status and
// is in no inbox.
//
//	        Submit             assign             claim
//	(none) --------> pending --------> assigned --------> running
//	                 ^     ^             | | ^             | | |
//	                 |     +-------------+ | +-------------+ | |
//	                 |       worker gone   |   claim lost    | |
//	                 |                     |                 | |
//	                 +---------------------|-----------------+ |
//	                   attempt failed,     | attempts          | result, last attempt
//	                   released            | used up           | failed, Permanent
//	                                       v                   v
//	                                     failed         done or failed
//	                                       |                   |
//	                                       +---------+---------+
//	                                                 | retention
//	                                                 v
//	                                               (none)
//
// A status that is written by hand finishes a task in every state.
//
// The master keeps a task that is not finished in one of these fields. It adds a new
// task to waiting, and a task that it finds in a listing to toRecheck.
//
//	         not finished,           due              assign
//	toRecheck ------------> delayed -----> waiting ------------> workerState.tasks
//	  ^  |    or to waiting                   |                         |
//	  |  | status exists, or no task node     | conflict                | left the inbox
//	  |  +------------------> finished, or    +------------+------------+
//	  |                       forgotten                    |
//	  +----------------------------------------------------+
type masterState struct {
	tasks         map[string]*task // the tasks that are not finished, as far as is known
	waiting       []*task          // tasks that may be assigned now, in order
	delayed       []*task          // tasks that may be assigned later
	toRecheck     []*task          // tasks that may be finished; see markForRecheck
	workers       map[string]*workerState
	finished      []finished          // the oldest first
	finishedNames map[string]struct{} // the names of finished
}

func newMasterState() masterState {
	return masterState{tasks: make(map[string]*task), workers: make(map[string]*workerState), finishedNames: make(map[string]struct{})}
}

// task is a task that is not finished, as far as is known.
type task struct {
	name    string
	number  int32
	created session.Zxid // 0 if it has not been read
	history history
	data    []byte         // nil if it has not been read
	worker  *workerState   // the worker that it is assigned to, or nil
	due     time.Time      // when a delayed task may be assigned
	marked  bool           // the task is in toRecheck
	watch   *session.Watch // of the status; nil unless the worker is not of this package
}

// finished is a finished task, which is removed after its retention.
type finished struct {
	name string
	at   time.Time
}

// workerState is a worker, or the inbox of a worker that has gone.
type workerState struct {
	id       string
	live     bool
	hasInbox bool // the inbox exists
	capacity int
	native   bool // the worker is a program that uses this package
	tasks    map[string]*task
	extras   map[string]struct{} // assignments to delete: of finished tasks, or of tasks that another worker has

	dataWatch, listWatch *session.Watch // of the inbox

	retryAt time.Time // when to try again to clear the inbox
	pauses  *backoff.Backoff
}

func (d *workerState) close() {
	d.dataWatch.Close()
	d.listWatch.Close()
	d.dataWatch, d.listWatch = nil, nil
}

// markForRecheck schedules a re-read of the task's status.
func (s *masterState) markForRecheck(t *task) {
	if !t.marked {
		t.marked = true
		s.toRecheck = append(s.toRecheck, t)
	}
}

// taskNamed returns the task of that name, and adds it if it is not known.
func (s *masterState) taskNamed(name string) *task {
	if t := s.tasks[name]; t != nil {
		return t
	}
	number, _ := taskNumber(name)
	t := &task{name: name, number: number, history: history{version: noNode}}
	s.tasks[name] = t
	return t
}

// remove removes a task from tasks and from its worker. It must not be in waiting
// or delayed.
func (s *masterState) remove(t *task) {
	t.watch.Close()
	if t.worker != nil {
		delete(t.worker.tasks, t.name)
		t.worker = nil
	}
	delete(s.tasks, t.name)
}

// enqueue adds a task that is not assigned to waiting or delayed.
func (s *masterState) enqueue(t *task, now time.Time) {
	t.watch.Close()
	t.watch = nil
	if t.due.After(now) {
		s.delayed = append(s.delayed, t)
		return
	}
	if n := len(s.waiting); n == 0 || byCreation(s.waiting[n-1], t) < 0 { // the usual case
		s.waiting = append(s.waiting, t)
		return
	}
	i, _ := slices.BinarySearchFunc(s.waiting, t, byCreation)
	s.waiting = slices.Insert(s.waiting, i, t)
}

// dequeue removes a task from waiting and delayed.
func (s *masterState) dequeue(t *task) {
	if t.marked || t.worker != nil {
		return // it is in neither
	}
	is := func(other *task) bool { return other == t }
	s.waiting = slices.DeleteFunc(s.waiting, is)
	s.delayed = slices.DeleteFunc(s.delayed, is)
}

// byCreation orders tasks as they were submitted. Their numbers do not give that
// order once the last sequence number has been used. They may still
// distinguish tasks that one transaction created.
func byCreation(a, b *task) int {
	return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.number-b.number, 0))
}

// byNumber orders the names of tasks by their numbers.
func byNumber(a, b string) int {
	x, _ := taskNumber(a)
	y, _ := taskNumber(b)
	return cmp.Compare(x-y, 0)
}

// releaseDelayed moves the tasks that are due from delayed to waiting.
func (s *masterState) releaseDelayed(now time.Time) {
	delayed := s.delayed
	s.delayed = nil
	for _, t := range delayed {
		s.enqueue(t, now)
	}
}

// finish adds a task to finished.
func (s *masterState) finish(name string, at time.Time) {
	if _, known := s.finishedNames[name]; known {
		return
	}
	s.finishedNames[name] = struct{}{}
	i := len(s.finished)
	for i > 0 && s.finished[i-1].at.After(at) {
		i--
	}
	s.finished = slices.Insert(s.finished, i, finished{name, at})
}

// liveWorkers returns the live workers that have an inbox, sorted by id.
func (s *masterState) liveWorkers() []Worker {
	var ws []Worker
	for _, id := range slices.Sorted(maps.Keys(s.workers)) {
		if d := s.workers[id]; d.live && d.hasInbox {
			ws = append(ws, Worker{id, d.capacity, len(d.tasks)})
		}
	}
	return ws
}
