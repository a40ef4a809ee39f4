package queue

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/session"
)

const someGUID = "06d3d850-e8ca-46ae-af18-15b6add28be8"

func mustScheme(t testing.TB, l Layout) layoutSpec {
	t.Helper()
	s, ok := specOf(l, "")
	if !ok {
		t.Fatalf("there is no %v", l)
	}
	return s
}

var allLayouts = []Layout{Native, Curator, CuratorPriority, CuratorDelay, CuratorSimple, Kazoo, KazooLocking}

// The name of a native item that was put back past the last sequence number keeps the
// item's position and id. Other names with an end are not items.
func TestRestoredNames(t *testing.T) {
	s := mustScheme(t, Native)
	const name = "7fffffff-19b76daa800-" + someGUID + "-2147483647"
	want := sortKey{rank: -1, due: 1767225600000, seq: math.MaxInt32, created: 0x12f, restored: true}
	old, ok := s.parse(name)
	if !ok {
		t.Fatal(name)
	}
	restored := restoredName(name, old, want.created)
	if restored != name+"-000000000000012f" {
		t.Error(restored)
	}
	if got, ok := s.parse(restored); !ok || got != want {
		t.Errorf("%s was read as %+v, %v", restored, got, ok)
	}
	if again := restoredName(restored, want, 7); again != restored {
		t.Errorf("put back again: %s", again)
	}
	if id := s.id(restored); id != someGUID {
		t.Errorf("the id is %s", id)
	}
	for _, bad := range []string{
		name + "-", name + "-12f", name + "-000000000000012F", name + "-0000000000000012f", name + "x000000000000012f",
		"7fffffff-19b76daa800-" + someGUID + "-0000000007-000000000000012f",
	} {
		if got, ok := s.parse(bad); ok {
			t.Errorf("%s was read as %+v", bad, got)
		}
	}
}

// Past the last sequence number, the due time distinguishes the names of an item that
// becomes a dead letter several times.
func TestRequeuedKey(t *testing.T) {
	for _, tt := range []struct {
		old  sortKey
		want int64
	}{
		{sortKey{seq: 7}, 0},
		{sortKey{seq: 7, due: 1767225600000}, 0},
		{sortKey{seq: math.MaxInt32}, 1},
		{sortKey{seq: math.MinInt32, due: 1}, 2},
		{sortKey{seq: math.MaxInt32, due: 1767225600000}, 0},
		{sortKey{seq: math.MaxInt32, due: maxRequeues}, 0},
	} {
		if got := requeuedKey(tt.old).due; got != tt.want {
			t.Errorf("%+v: due %d, want %d", tt.old, got, tt.want)
		}
	}
}

// The names equal those of the other libraries, byte for byte.
func TestNames(t *testing.T) {
	for _, tt := range []struct {
		layout Layout
		order  sortKey
		seq    string
		want   string
	}{
		{Native, sortKey{}, "0000000000", "80000000-00000000000-" + someGUID + "-0000000000"},
		{Native, sortKey{rank: -1, due: 1767225600000, seq: 7}, "0000000007", "7fffffff-19b76daa800-" + someGUID + "-0000000007"},
		{Native, sortKey{rank: math.MaxInt32, due: latestDue, seq: -1}, "-000000001", "ffffffff-fffffffffff-" + someGUID + "--000000001"},
		{Curator, sortKey{seq: math.MinInt32}, "-2147483648", "queue--2147483648"},
		{CuratorPriority, sortKey{}, "0000000000", "queue-1000000000000000000"},
		{CuratorPriority, sortKey{rank: 1, seq: 1}, "0000000001", "queue-1000000010000000001"},
		{CuratorPriority, sortKey{rank: -1}, "0000000000", "queue-0FFFFFFFF0000000000"},
		{CuratorPriority, sortKey{rank: math.MinInt32}, "0000000000", "queue-0800000000000000000"},
		{CuratorPriority, sortKey{rank: math.MaxInt32}, "0000000000", "queue-17FFFFFFF0000000000"},
		{CuratorPriority, sortKey{rank: 255}, "0000000000", "queue-1000000FF0000000000"},
		{CuratorDelay, sortKey{rank: 1767225600000, due: 1767225600000}, "0000000000", "queue-|19B76DAA800|0000000000"},
		{CuratorDelay, sortKey{rank: 5, due: 5, seq: 2}, "0000000002", "queue-|00000005|0000000002"},
		{CuratorSimple, sortKey{seq: 3}, "0000000003", "qn-0000000003"},
		{Kazoo, sortKey{rank: 100}, "0000000000", "entry-100-0000000000"},
		{KazooLocking, sortKey{rank: 7, seq: 1234567890}, "1234567890", "entry-007-1234567890"},
	} {
		s := mustScheme(t, tt.layout)
		name := s.prefix(tt.order, someGUID) + tt.seq
		if name != tt.want {
			t.Errorf("%v: %s, want %s", tt.layout, name, tt.want)
		}
		if o, ok := s.parse(name); !ok || o != tt.order {
			t.Errorf("%v: %s was read as %+v, %v", tt.layout, name, o, ok)
		}
		if id := s.id(name); tt.layout == Native && id != someGUID || tt.layout != Native && id != name {
			t.Errorf("%v: the id of %s is %s", tt.layout, name, id)
		}
	}
}

func TestForeignNames(t *testing.T) {
	for l, names := range map[Layout][]string{
		Native: {"", "x", "80000000-00000000000-" + someGUID, "80000000-00000000000-" + someGUID + "-1", "80000000-00000000000-" + someGUID + "-00000000000",
			"8000000g-00000000000-" + someGUID + "-0000000000", "80000000-0000000000g-" + someGUID + "-0000000000", "+0000000-00000000000-" + someGUID + "-0000000000",
			"80000000-00000000000-" + someGUID + "-0000000000-1"},
		Curator:         {"", "queue-", "queue-1", "queue-abc", "queue-0000000000-", "queue-0000000000-0", "queue-0000000000-x", "queue-0000000000-01", "queue-0000000000x", "queue-99999999999"},
		CuratorPriority: {"queue-0000000000", "queue-2000000000000000000", "queue-00000000000000000000", "queue-1FFFFFFFF0000000000", "queue-1000000ff0000000000"},
		CuratorDelay:    {"queue-0000000000", "queue-||0000000000", "queue-|5|", "queue-|x|0000000000", "queue-|-5|0000000000", "queue-|FFFFFFFFFFFFFFFFF|0000000000"},
		CuratorSimple:   {"qn", "qn-", "qn-1", "queue-0000000000", "qn-0000000000-1"},
		Kazoo:           {"entry", "entry-100", "entry-1-0000000000", "entry-1000-0000000000", "entry--10-0000000000", "entry-100-0000000000-1"},
		KazooLocking:    {"lock", "entry-+10-0000000000"},
	} {
		s := mustScheme(t, l)
		for _, name := range append(names, "..", "lost+found", "\x00") {
			if o, ok := s.parse(name); ok {
				t.Errorf("%v: %q was read as %+v", l, name, o)
			}
		}
	}
}

// The node that replaces another one has the same position, in Curator's order,
// which is that of the text, as well as in ours.
func TestSuccessors(t *testing.T) {
	for _, l := range []Layout{Curator, CuratorPriority, CuratorDelay} {
		s := mustScheme(t, l)
		prefix := s.prefix(sortKey{}, "")
		name, next := prefix+"0000000005", prefix+"0000000006"
		o, _ := s.parse(name)
		for i := 1; i <= 12; i++ {
			before := name
			name, o = remainderName(name, o)
			if got, ok := s.parse(name); !ok || got != o || o.part != i || o.seq != 5 {
				t.Fatalf("%v: behind %s comes %s, which was read as %+v, %v", l, before, name, got, ok)
			}
			if name >= next {
				t.Errorf("%v: %s comes behind %s", l, name, next)
			}
		}
	}
}

func TestUnknownLayout(t *testing.T) {
	if _, ok := specOf(99, ""); ok {
		t.Error("there is layout 99")
	}
	if s := Layout(99).String(); s != "layout 99" {
		t.Errorf("it is called %q", s)
	}
	for _, l := range allLayouts {
		if strings.HasPrefix(l.String(), "layout") || l.String() == "" {
			t.Errorf("a layout is called %q", l)
		}
	}
}

func TestFraming(t *testing.T) {
	for _, tt := range []struct {
		items []string
		want  string
	}{
		{[]string{"hello"}, "00 01 00 01 01 00 00 00 05 68 65 6c 6c 6f 02"},
		{[]string{"m0", "m1"}, "00 01 00 01 01 00 00 00 02 6d 30 01 00 00 00 02 6d 31 02"},
		{[]string{""}, "00 01 00 01 01 00 00 00 00 02"},
	} {
		var payloads [][]byte
		for _, s := range tt.items {
			payloads = append(payloads, []byte(s))
		}
		data := frame(payloads...)
		if got := fmt.Sprintf("% x", data); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.items, got, tt.want)
		}
		for _, behind := range []string{"", "rest"} {
			got, err := unframe(append(slices.Clone(data), behind...))
			if diff := cmp.Diff(payloads, got); diff != "" || err != nil {
				t.Errorf("%q: %v %s", tt.items, err, diff)
			}
		}
		for n := range data {
			if got, err := unframe(data[:n]); err == nil {
				t.Errorf("%q: %d of %d bytes were read as %q", tt.items, n, len(data), got)
			}
		}
	}
	for _, bad := range []string{
		"plain", "\x00\x01\x00\x01", "\x00\x01\x00\x01\x02", "\x00\x01\x00\x02\x01\x00\x00\x00\x00\x02",
		"\x00\x01\x00\x01\x03", "\x00\x01\x00\x01\x01\xff\xff\xff\xff\x02", "\x00\x01\x00\x01\x01\x7f\xff\xff\xff\x02",
	} {
		if got, err := unframe([]byte(bad)); err == nil {
			t.Errorf("%q was read as %q", bad, got)
		}
	}
}

func FuzzNames(f *testing.F) {
	for _, l := range allLayouts {
		s := mustScheme(f, l)
		f.Add(s.prefix(sortKey{}, session.GUID())+"0000000001", int64(3), int32(4))
	}
	f.Fuzz(func(t *testing.T, name string, n int64, seq int32) {
		for _, l := range allLayouts {
			s := mustScheme(t, l)
			if o, ok := s.parse(name); ok {
				if l != Native && o.part == 0 && l != CuratorDelay { // its hex may be written in other ways
					if got := s.prefix(o, "") + fmt.Sprintf("%010d", o.seq); got != name {
						t.Errorf("%v: %q was read as %+v, which is %q", l, name, o, got)
					}
				}
				if s.id(name) == "" {
					t.Errorf("%v: %q has no id", l, name)
				}
			}
			want := sortKey{seq: seq}
			switch l {
			case Native:
				want.rank, want.due = int64(int32(n)), n&latestDue
			case CuratorPriority:
				want.rank = int64(int32(n))
			case CuratorDelay:
				want.due = n & math.MaxInt64
				want.rank = want.due
			case Kazoo, KazooLocking:
				want.rank = (n & math.MaxInt64) % 1000
			}
			made := s.prefix(want, someGUID) + fmt.Sprintf("%010d", seq)
			if got, ok := s.parse(made); !ok || got != want {
				t.Errorf("%v: %q was read as %+v, %v", l, made, got, ok)
			}
		}
	})
}

func FuzzFraming(f *testing.F) {
	f.Add([]byte("a"), []byte("b"))
	f.Add(frame([]byte("x")), frame([]byte("x"), nil))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		got, err := unframe(frame(a, b))
		if err != nil || len(got) != 2 || !bytes.Equal(got[0], a) || !bytes.Equal(got[1], b) {
			t.Errorf("%q and %q became %q, %v", a, b, got, err)
		}
		if items, err := unframe(a); err == nil && !bytes.HasPrefix(a, frame(items...)) {
			t.Errorf("%q was read as %q", a, items)
		}
	})
}
