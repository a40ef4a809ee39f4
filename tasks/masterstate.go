package tasks

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/backoff"
	"github.com/zkrecipes/zkrecipes/session"
)

// masterState is what the master knows.
type masterState struct {
	tasks         map[string]*task // those that are not finished
	waiting       []*task          // those of them that may be assigned now, in order
	delayed       []*task          // and those that may be later
	toRecheck     []*task          // and those of which it is not known whether they are finished
	workers       map[string]*workerState
	finished      []finished          // by age
	finishedNames map[string]struct{} // the names of finished
}

func newMasterState() masterState {
	return masterState{tasks: make(map[string]*task), workers: make(map[string]*workerState), finishedNames: make(map[string]struct{})}
}

// task is one that is not finished, as far as is known.
type task struct {
	name    string
	number  int32
	created session.Zxid // 0 if it has not been read
	history history
	data    []byte         // nil if it has not been read
	worker  *workerState   // to which it is assigned; nil if it is to none
	due     time.Time      // of a delayed one
	marked  bool           // is among the doubtful
	watch   *session.Watch // for its status; nil unless a worker that is not ours has it
}

// finished is a task that can be removed some time.
type finished struct {
	name string
	at   time.Time
}

// workerState is a worker, or the inbox of one that has gone.
type workerState struct {
	id       string
	live     bool
	hasInbox bool // there is an inbox
	capacity int
	native   bool // its worker is of this package
	tasks    map[string]*task
	extras   map[string]struct{} // assignments of tasks that are finished, or another's

	dataWatch, listWatch *session.Watch // of its inbox

	retryAt time.Time // when to try again to clear it
	pauses  *backoff.Backoff
}

func (d *workerState) close() {
	d.dataWatch.Close()
	d.listWatch.Close()
	d.dataWatch, d.listWatch = nil, nil
}

// markForRecheck has a task's outcome be looked at.
func (b *masterState) markForRecheck(t *task) {
	if !t.marked {
		t.marked = true
		b.toRecheck = append(b.toRecheck, t)
	}
}

// taskNamed adds a task that has not been known.
func (b *masterState) taskNamed(name string) *task {
	if t := b.tasks[name]; t != nil {
		return t
	}
	number, _ := taskNumber(name)
	t := &task{name: name, number: number, history: history{version: noNode}}
	b.tasks[name] = t
	return t
}

// remove drops a task from all lists but those of the waiting, which it must not be
// in.
func (b *masterState) remove(t *task) {
	t.watch.Close()
	if t.worker != nil {
		delete(t.worker.tasks, t.name)
		t.worker = nil
	}
	delete(b.tasks, t.name)
}

// enqueue puts a task that is assigned to nobody among those that are to be.
func (b *masterState) enqueue(t *task, now time.Time) {
	t.watch.Close()
	t.watch = nil
	if t.due.After(now) {
		b.delayed = append(b.delayed, t)
		return
	}
	if n := len(b.waiting); n == 0 || byCreation(b.waiting[n-1], t) < 0 { // as a rule
		b.waiting = append(b.waiting, t)
		return
	}
	i, _ := slices.BinarySearchFunc(b.waiting, t, byCreation)
	b.waiting = slices.Insert(b.waiting, i, t)
}

// dequeue takes a task out of the lists of those that are to be assigned.
func (b *masterState) dequeue(t *task) {
	if t.marked || t.worker != nil {
		return // it is in none
	}
	is := func(other *task) bool { return other == t }
	b.waiting = slices.DeleteFunc(b.waiting, is)
	b.delayed = slices.DeleteFunc(b.delayed, is)
}

// byCreation sorts tasks in the order in which they were submitted. Their numbers do
// not tell it once they have reached the last one, and may even then tell those of one
// transaction apart.
func byCreation(a, b *task) int {
	return cmp.Or(cmp.Compare(a.created, b.created), cmp.Compare(a.number-b.number, 0))
}

// byNumber sorts the names of tasks.
func byNumber(a, b string) int {
	x, _ := taskNumber(a)
	y, _ := taskNumber(b)
	return cmp.Compare(x-y, 0)
}

// releaseDelayed moves tasks whose pause is over to those that wait.
func (b *masterState) releaseDelayed(now time.Time) {
	delayed := b.delayed
	b.delayed = nil
	for _, t := range delayed {
		b.enqueue(t, now)
	}
}

// finish moves a task to those that are finished.
func (b *masterState) finish(name string, at time.Time) {
	if _, known := b.finishedNames[name]; known {
		return
	}
	b.finishedNames[name] = struct{}{}
	i := len(b.finished)
	for i > 0 && b.finished[i-1].at.After(at) {
		i--
	}
	b.finished = slices.Insert(b.finished, i, finished{name, at})
}

// liveWorkers are the live workers that have an inbox, sorted by id.
func (b *masterState) liveWorkers() []Worker {
	var ws []Worker
	for _, id := range slices.Sorted(maps.Keys(b.workers)) {
		if d := b.workers[id]; d.live && d.hasInbox {
			ws = append(ws, Worker{id, d.capacity, len(d.tasks)})
		}
	}
	return ws
}
