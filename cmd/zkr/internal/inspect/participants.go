package inspect

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/recipe/sequence"
	"github.com/zkrecipes/zkrecipes/session"
)

// revocation is the data of a node whose owner is asked to release.
const revocation = "__REVOKE__"

// participant describes the client of a node.
func (f *filler) participant(n session.Node, library string) Participant {
	p := Participant{
		Node: f.below(n.Path), Token: n.Stat.Czxid, Since: n.Stat.Ctime.UTC(), Connected: Unknown, Library: library,
		sessionID: n.Stat.Owner(), Ownerless: n.Stat.Owner() == 0,
	}
	if !p.Ownerless {
		p.Session = fmt.Sprintf("0x%x", uint64(p.sessionID))
	}
	switch data := string(n.Data); {
	case data == revocation:
		p.Revoked = true
	case isText(n.Data):
		p.setID(firstLine(n.Data))
	default:
		p.Data = firstLine(n.Data)
	}
	return p
}

// setID sets the id, and what it shows of the client.
func (p *Participant) setID(id string) {
	p.ID = id
	if p.Host, p.PID = hostAndPID(id, ":"); p.Host == "" && net.ParseIP(id) != nil {
		p.Host = id
	}
}

// address moves the id, an address, to Data, and makes id the ID.
func (p *Participant) address(id string) {
	p.Data, p.ID, p.PID = p.ID, id, 0
	if host, _, err := net.SplitHostPort(p.Data); err == nil {
		p.Host = host
	}
}

// lineup reads contenders and orders them. Past the last number, czxids order them.
func (f *filler) lineup(ctx context.Context, dir string, cs []contender, what string) ([]Participant, []contender, error) {
	names := make([]string, len(cs))
	byName := make(map[string]contender)
	past := false
	for i, c := range cs {
		names[i], byName[session.Join(dir, c.name)] = c.name, c
		past = past || sequence.PastEnd(c.seq)
	}
	ns, err := f.reader.nodes(ctx, join(dir, f.bounded(names, what)))
	if err != nil {
		return nil, nil, err
	}
	ns = slices.DeleteFunc(ns, func(n session.Node) bool {
		f.noteRefusal(f.below(n.Path), n.Err)
		return n.Err != nil
	})
	if past {
		slices.SortStableFunc(ns, func(a, b session.Node) int { return int(a.Stat.Czxid - b.Stat.Czxid) })
	}
	ps := make([]Participant, len(ns))
	read := make([]contender, len(ns))
	for i, n := range ns {
		read[i] = byName[n.Path]
		ps[i] = f.participant(n, read[i].library())
		f.addLibrary(ps[i].Library)
	}
	return ps, read, nil
}

func (f *filler) addLibrary(name string) {
	if name != "" && !slices.Contains(f.out.Libraries, name) {
		f.out.Libraries = append(f.out.Libraries, name)
		slices.Sort(f.out.Libraries)
	}
}

// setHeldSince sets the moment since which the first owner has held, if it is certain:
// no child was created or deleted after the owner's node, which is now the first.
func setHeldSince(owners []Participant, dir session.Stat) {
	if len(owners) > 0 && dir.Pzxid == owners[0].Token {
		since := owners[0].Since
		owners[0].HeldSince = &since
	}
}

// heldSinceCreation is setHeldSince for nodes that own from their creation on.
func heldSinceCreation(ps []Participant) {
	for i := range ps {
		since := ps[i].Since
		ps[i].HeldSince = &since
	}
}

func fillLock(ctx context.Context, f *filler) error {
	cs := contenders(f.node.names, lockMarkers...)
	ps, read, err := f.lineup(ctx, f.node.path, cs, "contenders")
	if err != nil {
		return err
	}
	owners := 0
	for owners < len(read) && read[owners].sharesLock() {
		owners++
	}
	if owners == 0 && len(read) > 0 {
		owners = 1
	}
	if f.out.Kind == KindRWLock {
		for i, c := range read {
			ps[i].Mode = "write"
			if c.sharesLock() {
				ps[i].Mode = "read"
			}
		}
	}
	f.split(ps, owners, len(cs))
	if owners == 1 {
		setHeldSince(f.out.Owners, f.node.stat)
	}
	f.findSequenceEnd(f.node.stat)
	f.findMixed(cs)
	f.findForeign(len(f.node.names) - len(cs))
	return nil
}

// split sets the owners and the waiters.
func (f *filler) split(ps []Participant, owners, total int) {
	f.out.Owners, f.out.Waiters = ps[:owners], ps[owners:]
	f.out.OwnerCount, f.out.WaiterCount = owners, max(total-owners, 0)
}

func fillElection(ctx context.Context, f *filler) error {
	cs := contenders(f.node.names, markerLatch)
	ps, _, err := f.lineup(ctx, f.node.path, cs, "candidates")
	if err != nil {
		return err
	}
	f.split(ps, min(1, len(ps)), len(cs))
	setHeldSince(f.out.Owners, f.node.stat)
	f.findSequenceEnd(f.node.stat)
	return nil
}

func fillLeader(ctx context.Context, f *filler) error {
	ps, err := f.participants(ctx, f.node.path, f.node.names, "leaders")
	heldSinceCreation(ps)
	f.split(ps, len(ps), len(ps))
	return err
}

// fillLine treats the first node as the owner.
func fillLine(ctx context.Context, f *filler) error {
	var cs []contender
	for _, name := range f.node.names {
		if text, seq, ok := splitSequence(name); ok {
			cs = append(cs, contender{name, text, seq})
		}
	}
	slices.SortStableFunc(cs, func(a, b contender) int { return compareSequence(a.seq, b.seq) })
	ps, _, err := f.lineup(ctx, f.node.path, cs, "nodes")
	if err != nil {
		return err
	}
	f.split(ps, min(1, len(ps)), len(cs))
	setHeldSince(f.out.Owners, f.node.stat)
	f.findSequenceEnd(f.node.stat)
	return nil
}

// numbersLeft is how many sequence numbers may be left before it is a finding.
const numbersLeft = 10_000_000

// findSequenceEnd adds a finding if the parent of sequential nodes has nearly given out
// its last number.
func (f *filler) findSequenceEnd(parent session.Stat) {
	switch left := sequence.Last - int64(sequence.Created(parent)); {
	case left <= 0:
		f.out.add(CauseSequenceEnd, "", "the last sequence number, 2147483647, is given out: the order of later nodes is not certain")
	case left <= numbersLeft:
		f.out.add(CauseSequenceEnd, "", fmt.Sprintf("only %d sequence numbers are left before 2147483647", left))
	}
}

// findMixed adds a finding if contenders have the names of Kazoo and others those of
// Curator.
func (f *filler) findMixed(cs []contender) {
	ofKazoo := 0
	for _, c := range cs {
		if c.ofKazoo() {
			ofKazoo++
		}
	}
	if ofKazoo > 0 && ofKazoo < len(cs) {
		f.out.add(CauseMixed, "", "contenders have names of Curator and of Kazoo: programs with these libraries do not see each other")
	}
}

// findForeign adds a finding if Curator's contenders may wait for other children.
func (f *filler) findForeign(others int) {
	if others > 0 && slices.Contains(f.out.Libraries, curator) {
		f.out.add(CauseForeign, "", fmt.Sprintf("%d other children: contenders of Curator may wait for them", others))
	}
}

func fillSemaphore(ctx context.Context, f *filler) error {
	limit, err := strconv.Atoi(string(f.node.data))
	if err == nil {
		f.out.Limit = limit
	}
	leases, err := f.children(ctx, "leases")
	if err != nil {
		return err
	}
	locks, err := f.children(ctx, "locks")
	if err != nil {
		return err
	}
	permits := contenders(leases.names, markerLease)
	f.out.Owners, _, err = f.lineup(ctx, session.Join(f.node.path, "leases"), permits, "permits")
	if err != nil {
		return err
	}
	heldSinceCreation(f.out.Owners)
	f.out.OwnerCount = len(permits)
	if err := f.fillPermitWaiters(ctx, session.Join(f.node.path, "locks"), locks); err != nil {
		return err
	}
	f.findSequenceEnd(leases.stat)
	f.findSequenceEnd(locks.stat)
	return nil
}

// fillPermitWaiters reads the line of a semaphore, whose nodes have the wanted permits
// in their data.
func (f *filler) fillPermitWaiters(ctx context.Context, dir string, l listing) (err error) {
	line := contenders(l.names, lockMarkers...)
	f.out.Waiters, _, err = f.lineup(ctx, dir, line, "waiters")
	f.out.WaiterCount = len(line)
	for i := range f.out.Waiters {
		w := &f.out.Waiters[i]
		if count, id, ok := strings.Cut(w.ID, " "); ok {
			if n, err := strconv.Atoi(count); err == nil {
				w.Wants = n
				w.setID(id)
			}
		}
	}
	return err
}

func fillKazooSemaphore(ctx context.Context, f *filler) error {
	f.out.Limit, _ = strconv.Atoi(string(f.node.data))
	var err error
	if f.out.Owners, err = f.participants(ctx, f.node.path, f.node.names, "permits"); err != nil {
		return err
	}
	for i := range f.out.Owners {
		o := &f.out.Owners[i]
		o.Library = kazoo
		if session.IsGUID(o.Node) {
			o.Library = ours
		}
		f.addLibrary(o.Library)
	}
	heldSinceCreation(f.out.Owners)
	f.out.OwnerCount = len(f.node.names)
	dir := f.node.path + "-" + markerKazooLock
	ls, err := f.reader.list(ctx, []string{dir})
	if err != nil {
		return err
	}
	return f.fillPermitWaiters(ctx, dir, ls[0])
}

func fillDoubleBarrier(ctx context.Context, f *filler) error {
	gate := "ready"
	if f.out.Layout == "synchronizing" {
		gate = "start"
	}
	members := slices.DeleteFunc(slices.Clone(f.node.names), func(name string) bool { return name == gate })
	ps, err := f.participants(ctx, f.node.path, members, "members")
	if err != nil {
		return err
	}
	for i := range ps {
		if ps[i].Host == "" {
			ps[i].Host, ps[i].PID = hostAndPID(ps[i].ID, "-")
		}
		if session.IsGUID(ps[i].Node) {
			ps[i].Library = ours
			f.addLibrary(ours)
		}
	}
	f.out.Members, f.out.MemberCount = ps, len(members)
	switch open := f.node.has(gate); {
	case open && len(members) == 0:
		f.out.Note = fmt.Sprintf("no members, but %s exists", gate)
		f.out.add(CauseStaleReady, gate, fmt.Sprintf("%s is left from an earlier round: members of other libraries pass it immediately", gate))
	case open:
		f.out.Note = fmt.Sprintf("a round runs; %s remain in it", count(len(members), "member", "members"))
	case len(members) == 0:
		f.out.Note = "no members"
	default:
		f.out.Note = fmt.Sprintf("%s arrived; the round has not begun", count(len(members), "member has", "members have"))
		if left := f.remaining(members); left > 0 {
			f.out.Note = fmt.Sprintf("the round is over; %s not left", count(left, "member has", "members have"))
		}
	}
	return nil
}

// remaining returns how many members the record of the latest round names.
func (f *filler) remaining(members []string) int {
	recorded := strings.Split(strings.TrimPrefix(string(f.node.data), roundRecord), "\n")
	n := 0
	for _, m := range members {
		if bytes.HasPrefix(f.node.data, []byte(roundRecord)) && slices.Contains(recorded, m) {
			n++
		}
	}
	return n
}

func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func fillMembers(ctx context.Context, f *filler) (err error) {
	f.out.Members, err = f.participants(ctx, f.node.path, f.node.names, "members")
	f.out.MemberCount = len(f.node.names)
	return err
}

func fillGroup(ctx context.Context, f *filler) error {
	if err := fillMembers(ctx, f); err != nil {
		return err
	}
	for i := range f.out.Members {
		m := &f.out.Members[i]
		switch f.out.Layout {
		case "kazoo-party":
		case "kazoo-shallow-party":
			_, id, _ := strings.Cut(m.Node, "-")
			m.Data, m.ID = m.ID, id
			m.Host, m.PID = hostAndPID(id, "-")
			if m.Data == m.ID {
				m.Data = ""
			}
		default:
			m.address(m.Node)
		}
	}
	return nil
}

func fillSlots(ctx context.Context, f *filler) error {
	waiting, err := f.children(ctx, "waiting")
	if err != nil {
		return err
	}
	line := contenders(waiting.names, markerLock)
	if f.out.Waiters, _, err = f.lineup(ctx, session.Join(f.node.path, "waiting"), line, "waiters"); err != nil {
		return err
	}
	f.out.WaiterCount = len(line)
	slots := slices.DeleteFunc(slices.Clone(f.node.names), func(name string) bool { return !isNumber(name) })
	slices.SortFunc(slots, func(a, b string) int {
		x, _ := strconv.Atoi(a)
		y, _ := strconv.Atoi(b)
		return x - y
	})
	if f.out.Owners, err = f.participants(ctx, f.node.path, slots, "slots"); err != nil {
		return err
	}
	for i := range f.out.Owners {
		f.out.Owners[i].Mode = f.out.Owners[i].Node
	}
	heldSinceCreation(f.out.Owners)
	f.out.OwnerCount = len(slots)
	f.findSequenceEnd(waiting.stat)
	return nil
}

func fillSequence(_ context.Context, f *filler) error {
	f.out.Note = fmt.Sprintf("about %d numbers were given out", sequence.Created(f.node.stat))
	f.findSequenceEnd(f.node.stat)
	return nil
}

func fillPartitioner(ctx context.Context, f *filler) error {
	party, err := f.children(ctx, "party")
	if err != nil {
		return err
	}
	locks, err := f.children(ctx, "locks")
	if err != nil {
		return err
	}
	f.out.Members, err = f.participants(ctx, session.Join(f.node.path, "party"), party.names, "members")
	f.out.MemberCount = len(party.names)
	f.out.Note = fmt.Sprintf("%s shared by %s", count(len(locks.names), "element is", "elements are"), count(len(party.names), "member", "members"))
	return err
}

// findOwnerless adds a finding for each participant that no session owns and that others
// wait for, and for those that are asked to release.
func (r *Recipe) findOwnerless() {
	report := func(ps []Participant, role string) {
		for _, p := range ps {
			switch {
			case p.Ownerless:
				dir, name := session.Split(session.Join(r.Path, p.Node))
				r.add(CauseOwnerless, p.Node, fmt.Sprintf("no session owns the %s %s: the servers never delete it (zkr lock break %s %s)", role, p.Node, dir, name))
			case p.Revoked:
				r.add(CauseRevoked, p.Node, fmt.Sprintf("the %s %s is asked to release", role, p.Node))
			}
		}
	}
	if r.Kind == KindSystem {
		return
	}
	report(r.Owners, r.Role())
	report(r.Waiters, "waiter")
	if r.Kind == KindDoubleBarrier || r.Kind == KindTasks {
		report(r.Members, "member")
	}
}

// Role returns what an owner of the recipe is called.
func (r *Recipe) Role() string {
	switch r.Kind {
	case KindElection:
		return "leader"
	case KindSemaphore:
		return "permit"
	case KindSlots:
		return "slot"
	case KindQueue:
		return "claim"
	case KindTasks:
		return "master"
	case KindLine:
		return "first"
	case KindFixedNode, KindSystem:
		return "owner"
	}
	return "holder"
}
