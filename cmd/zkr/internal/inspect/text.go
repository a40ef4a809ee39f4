package inspect

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/zkrecipes/zkrecipes/session"
)

// Age formats a duration for people: the two largest units.
func Age(d time.Duration) string {
	d = max(d, 0).Truncate(time.Second)
	switch day := 24 * time.Hour; {
	case d >= day:
		return fmt.Sprintf("%dd%dh", d/day, d%day/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	}
	return d.String()
}

// Text formats the report for people.
func (rep *Report) Text(now time.Time) []string {
	var lines []string
	if rep.Tree {
		lines = rep.tree(now)
	} else {
		for _, r := range rep.Recipes {
			lines = append(lines, r.detail(now)...)
		}
	}
	if rep.Note != "" {
		lines = append(lines, oneLine(rep.Note))
	}
	for _, l := range rep.LeftOut {
		lines = append(lines, "not read: "+l)
	}
	return lines
}

// tree formats a line for each recipe.
func (rep *Report) tree(now time.Time) []string {
	if len(rep.Recipes) == 0 {
		return []string{"no recipe at or below " + rep.Path}
	}
	t := table{}
	for _, r := range rep.Recipes {
		name, summary := r.Name, r.Summary(now)
		if len(r.Or) > 0 {
			name += "?"
			summary = strings.TrimSpace(summary + " (or " + strings.Join(r.Or, ", ") + ")")
		}
		t.row(oneLine(r.Path), name, summary)
		for _, f := range r.Findings {
			t.text("  ! " + oneLine(f.Text))
		}
	}
	return t.lines()
}

// Title returns what the recipe is, with what else it may be.
func (r *Recipe) Title() string {
	if len(r.Or) == 0 {
		return r.Name
	}
	return r.Name + " (or " + strings.Join(r.Or, ", ") + ")"
}

// Summary returns the state of the recipe in one line.
func (r *Recipe) Summary(now time.Time) string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	switch r.Kind {
	case KindLock, KindRWLock, KindElection, KindLine, KindFixedNode:
		switch {
		case len(r.LeftOut) > 0 && len(r.Owners) == 0:
			add("not read")
		case len(r.Owners) == 0:
			add("free")
		case r.OwnerCount > 1:
			add("held by %d readers", r.OwnerCount)
		default:
			add("%s %s for %s", r.Role(), r.Owners[0].name(), r.Owners[0].age(now))
		}
		if r.WaiterCount > 0 {
			add("%d waiting", r.WaiterCount)
		}
	case KindSemaphore:
		limit := "?"
		if r.Limit > 0 {
			limit = strconv.Itoa(r.Limit)
		}
		add("%d of %s permits taken", r.OwnerCount, limit)
		if r.WaiterCount > 0 {
			add("%d waiting", r.WaiterCount)
		}
	case KindSlots:
		add("%d taken", r.OwnerCount)
		if r.WaiterCount > 0 {
			add("%d waiting", r.WaiterCount)
		}
	case KindGroup, KindReceipts:
		add("%s", count(r.MemberCount, "member", "members"))
	case KindService:
		add("%s", count(r.MemberCount, "instance", "instances"))
	case KindRegistry:
		add("%s", count(len(r.Services), "service", "services"))
	}
	if q := r.Queue; q != nil {
		parts = append(parts, q.parts(now)...)
	}
	if t := r.Tasks; t != nil {
		parts = append(parts, t.parts()...)
		add("%s", count(r.MemberCount, "worker", "workers"))
	}
	if r.Note != "" {
		add("%s", r.Note)
	}
	if v := r.Value; v != nil && r.Kind != KindLatch {
		line := ""
		if v.Line != "" {
			line = ": " + v.Line
		}
		add("version %d, %s, %s ago%s", v.Version, count(v.Size, "byte", "bytes"), Age(now.Sub(v.Modified)), line)
	}
	return oneLine(strings.Join(parts, ", "))
}

func (q *Queue) parts(now time.Time) []string {
	parts := []string{count(q.Length, "item", "items")}
	if q.Claimed > 0 {
		parts = append(parts, fmt.Sprintf("%d claimed", q.Claimed))
	}
	if q.Delayed > 0 {
		parts = append(parts, fmt.Sprintf("%d not due", q.Delayed))
	}
	if q.Oldest != nil {
		parts = append(parts, "oldest "+Age(now.Sub(*q.Oldest)))
	}
	if q.DeadLetters > 0 {
		parts = append(parts, count(q.DeadLetters, "dead letter", "dead letters"))
	}
	return parts
}

func (t *Tasks) parts() []string {
	parts := []string{count(t.Total, "task", "tasks")}
	for _, s := range []struct {
		n     int
		state string
	}{{t.Pending, "pending"}, {t.Assigned, "assigned"}, {t.Running, "running"}, {t.Done, "done"}, {t.Failed, "failed"}} {
		if s.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", s.n, s.state))
		}
	}
	return parts
}

// detail formats one recipe in full.
func (r *Recipe) detail(now time.Time) []string {
	title := r.Path + ": " + r.Title()
	if r.Layout != "" {
		title += ", layout " + r.Layout
	}
	if len(r.Libraries) > 0 {
		title += ", used by " + strings.Join(r.Libraries, " and ")
	}
	lines := []string{oneLine(title), r.Summary(now)}
	for _, f := range r.Findings {
		lines = append(lines, "! "+oneLine(f.Text))
	}
	lines = append(lines, r.participants(now)...)
	if q := r.Queue; q != nil {
		lines = append(lines, q.detail(now)...)
	}
	if r.Tasks != nil && len(r.Tasks.Workers) > 0 {
		lines = append(lines, r.Tasks.detail()...)
	}
	if len(r.Services) > 0 {
		t := table{}
		t.row("SERVICE", "INSTANCES")
		for _, s := range r.Services {
			t.row(oneLine(s.Name), strconv.Itoa(s.Instances))
		}
		lines = append(lines, t.lines()...)
	}
	for _, l := range r.LeftOut {
		lines = append(lines, "not shown: "+l)
	}
	return slices.DeleteFunc(lines, func(l string) bool { return l == "" })
}

// participants formats a table of the participants.
func (r *Recipe) participants(now time.Time) []string {
	if len(r.Owners)+len(r.Waiters)+len(r.Members) == 0 {
		return nil
	}
	t := table{}
	data := ""
	if slices.ContainsFunc(slices.Concat(r.Owners, r.Waiters, r.Members), func(p Participant) bool { return p.Data != "" }) {
		data = "DATA"
	}
	if r.Kind == KindQueue {
		data = "ITEM"
	}
	t.row("STATE", "ID", "FOR", "TOKEN", "SESSION", "CONNECTED", data)
	add := func(state string, ps []Participant, owner bool) {
		for _, p := range ps {
			state, age := state, Age(now.Sub(p.Since))
			if owner {
				age = p.age(now)
			}
			if p.Mode != "" {
				state += " " + p.Mode
			}
			if p.Wants > 1 {
				state += fmt.Sprintf(" for %d", p.Wants)
			}
			t.row(append([]string{state, p.name(), age}, p.sessionColumns()...)...)
		}
	}
	add(r.Role(), r.Owners, true)
	add("waiting", r.Waiters, false)
	member := "member"
	switch r.Kind {
	case KindService:
		member = "instance"
	case KindTasks:
		member = "worker"
	}
	add(member, r.Members, false)
	return t.lines()
}

func (p *Participant) sessionColumns() []string {
	owner := p.Session
	connected := string(p.Connected)
	if p.Ownerless {
		owner, connected = "none", "-"
	}
	return []string{strconv.FormatInt(int64(p.Token), 10), owner, connected, oneLine(p.Data)}
}

// name returns what people call a participant.
func (p *Participant) name() string {
	name := p.ID
	switch {
	case p.Revoked:
		name = p.Node
	case name == "":
		name = p.Node
	}
	return oneLine(name)
}

// age returns how long an owner has owned. "<" marks a time that is only certainly
// not shorter.
func (p *Participant) age(now time.Time) string {
	if p.HeldSince != nil {
		return Age(now.Sub(*p.HeldSince))
	}
	return "<" + Age(now.Sub(p.Since))
}

func (q *Queue) detail(now time.Time) (lines []string) {
	if h := q.Head; h != nil {
		lines = append(lines, oneLine(fmt.Sprintf("next: %s, %s, waiting for %s: %s", h.ID, count(h.Size, "byte", "bytes"), Age(now.Sub(h.Since)), h.Line)))
	}
	if len(q.Dead) > 0 {
		t := table{}
		t.row("DEAD LETTER", "FOR", "ATTEMPTS", "REASON")
		for _, d := range q.Dead {
			t.row(oneLine(d.ID), Age(now.Sub(d.Since)), strconv.Itoa(d.Attempts), oneLine(d.Reason))
		}
		lines = append(lines, t.lines()...)
	}
	return lines
}

func (t *Tasks) detail() []string {
	out := table{}
	out.row("WORKER", "ALIVE", "ASSIGNED", "RUNNING")
	for _, w := range t.Workers {
		alive := "yes"
		if !w.Alive {
			alive = "no"
		}
		out.row(oneLine(w.ID), alive, strconv.Itoa(w.Assigned), strconv.Itoa(w.Running))
	}
	return out.lines()
}

// oneLine removes what is not printable: names and data can come from any program.
func oneLine(s string) string {
	if strings.IndexFunc(s, func(r rune) bool { return !strconv.IsPrint(r) }) < 0 {
		return s
	}
	q := strconv.Quote(s)
	return q[1 : len(q)-1]
}

// table aligns columns. The last column of a row is not padded.
type table struct{ rows [][]string }

func (t *table) row(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) text(line string) { t.rows = append(t.rows, []string{line}) }

// widest is the width up to which a column grows; longer cells shift their line.
const widest = 40

func (t *table) lines() []string {
	var widths []int
	for _, row := range t.rows {
		for i, cell := range row[:len(row)-1] {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			if n := utf8.RuneCountInString(cell); n <= widest {
				widths[i] = max(widths[i], n)
			}
		}
	}
	lines := make([]string, len(t.rows))
	for n, row := range t.rows {
		var b strings.Builder
		for i, cell := range row {
			b.WriteString(cell)
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", max(widths[i]-utf8.RuneCountInString(cell), 0)+2))
			}
		}
		lines[n] = strings.TrimRight(b.String(), " ")
	}
	return lines
}

// Change is one difference between two reports.
type Change struct {
	Path  string
	Event string // "appeared", "gone", "acquired", "released", "waits", "left", "joined", "changed", "found", "cleared"
	Text  string
}

// Changes returns the differences from an earlier report, for people.
func (rep *Report) Changes(old *Report) (cs []Change) {
	before := make(map[string]*Recipe)
	for _, r := range old.recipes() {
		before[r.Path] = r
	}
	now := time.Now()
	for _, r := range rep.recipes() {
		o := before[r.Path]
		delete(before, r.Path)
		if o == nil || o.Kind != r.Kind {
			cs = append(cs, Change{r.Path, "appeared", r.Title() + ": " + r.Summary(now)})
			continue
		}
		cs = append(cs, r.changes(o, now)...)
	}
	for _, o := range old.recipes() {
		if before[o.Path] != nil {
			cs = append(cs, Change{o.Path, "gone", o.Title()})
		}
	}
	return cs
}

func (rep *Report) recipes() []*Recipe {
	if rep == nil {
		return nil
	}
	return rep.Recipes
}

// changes returns the differences from an earlier state of the same recipe.
func (r *Recipe) changes(old *Recipe, now time.Time) (cs []Change) {
	compare := func(now, before []Participant, came, went string) {
		for _, p := range before {
			if !contains(now, p) {
				cs = append(cs, Change{r.Path, went, p.name()})
			}
		}
		for _, p := range now {
			if !contains(before, p) {
				cs = append(cs, Change{r.Path, came, fmt.Sprintf("%s token %d", p.name(), int64(p.Token))})
			}
		}
	}
	compare(r.Owners, old.Owners, "acquired", "released")
	waited := slices.DeleteFunc(slices.Clone(old.Waiters), func(p Participant) bool { return contains(r.Owners, p) })
	compare(r.Waiters, waited, "waits", "left")
	compare(r.Members, old.Members, "joined", "left")
	if !slices.EqualFunc(r.Findings, old.Findings, sameFinding) {
		for _, f := range old.Findings {
			if !slices.ContainsFunc(r.Findings, func(g Finding) bool { return sameFinding(f, g) }) {
				cs = append(cs, Change{r.Path, "cleared", oneLine(f.Text)})
			}
		}
		for _, f := range r.Findings {
			if !slices.ContainsFunc(old.Findings, func(g Finding) bool { return sameFinding(f, g) }) {
				cs = append(cs, Change{r.Path, "found", oneLine(f.Text)})
			}
		}
	}
	// The state that has no list: lengths, counts and values.
	if a, b := r.state(), old.state(); a != b || len(cs) == 0 && r.Summary(now) != old.Summary(now) {
		cs = append(cs, Change{r.Path, "changed", r.Summary(now)})
	}
	return cs
}

// sameFinding reports whether findings are equal except for times in their texts.
func sameFinding(a, b Finding) bool { return a.Cause == b.Cause && a.Node == b.Node }

func contains(ps []Participant, p Participant) bool {
	return slices.ContainsFunc(ps, func(q Participant) bool { return q.Node == p.Node && q.Token == p.Token })
}

// state is the summary without owners, waiters and times.
func (r *Recipe) state() string {
	c := *r
	c.Owners, c.Waiters, c.OwnerCount, c.WaiterCount, c.MemberCount = nil, nil, 0, 0, 0
	if r.Queue != nil {
		q := *r.Queue
		q.Oldest = nil
		c.Queue = &q
	}
	var version session.Zxid
	if r.Value != nil {
		version = session.Zxid(r.Value.Version)
	}
	return fmt.Sprint(c.Summary(time.Time{}), version)
}
