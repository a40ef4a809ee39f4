package queue_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/queue"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

var allLayouts = []queue.Layout{
	queue.Native, queue.Curator, queue.CuratorPriority, queue.CuratorDelay, queue.CuratorSimple, queue.Kazoo, queue.KazooLocking,
}

// framed encodes items as Curator does.
func framed(items ...string) []byte {
	data := []byte{0, 1, 0, 1}
	for _, item := range items {
		data = append(binary.BigEndian.AppendUint32(append(data, 1), uint32(len(item))), item...)
	}
	return append(data, 2)
}

// The nodes are those of docs/znode-layout.md.
func TestNodes(t *testing.T) {
	for _, tt := range []struct {
		name string
		opts []queue.Option
		push []queue.PushOption
		node string // without GUID
		data string
		lock string
	}{
		{"native", nil, []queue.PushOption{queue.WithPriority(-1), queue.WithNotBefore(time.UnixMilli(0x123))}, "items/7fffffff-00000000123-GUID-0000000000", "x", path + "/claims/"},
		{"curator", []queue.Option{queue.WithLayout(queue.Curator), queue.WithLockPath("/app/locks")}, nil, "queue-0000000000", string(framed("x")), "/app/locks/"},
		{"priority", []queue.Option{queue.WithLayout(queue.CuratorPriority), queue.WithLockPath("/app/locks")}, []queue.PushOption{queue.WithPriority(255)}, "queue-1000000FF0000000000", string(framed("x")), "/app/locks/"},
		{"delay", []queue.Option{queue.WithLayout(queue.CuratorDelay), queue.WithLockPath("/app/locks")}, []queue.PushOption{queue.WithNotBefore(time.UnixMilli(0x123))}, "queue-|00000123|0000000000", string(framed("x")), "/app/locks/"},
		{"simple", []queue.Option{queue.WithLayout(queue.CuratorSimple)}, nil, "qn-0000000000", "x", ""},
		{"article", []queue.Option{queue.WithLayout(queue.CuratorSimple), queue.WithPrefix("queue_")}, nil, "queue_0000000000", "x", ""},
		{"kazoo", []queue.Option{queue.WithLayout(queue.Kazoo)}, nil, "entry-100-0000000000", "x", ""},
		{"locking", []queue.Option{queue.WithLayout(queue.KazooLocking)}, []queue.PushOption{queue.WithPriority(7)}, "entries/entry-007-0000000000", "x", path + "/taken/"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				q := texts(srv.Session(t), append(tt.opts, queue.WithID("me"))...)
				id, err := q.Push(t.Context(), "x", tt.push...)
				if err != nil {
					t.Fatal(err)
				}
				node := path + "/" + strings.Replace(tt.node, "GUID", id, 1)
				if want := fmt.Sprintf("%s v0 %q\n", node, tt.data); !strings.Contains(srv.Tree(), want) {
					t.Errorf("%s is missing in\n%s", want, srv.Tree())
				}
				if tt.name != "native" && !strings.HasSuffix(node, "/"+id) {
					t.Errorf("the id is %s", id)
				}
				folder, _ := session.Split(node)
				if strings.Contains(srv.Tree(), folder+" container") != (tt.name == "native") {
					t.Errorf("the folder is of the wrong kind:\n%s", srv.Tree())
				}
				if tt.lock == "" {
					_, err := q.Claim(t.Context())
					testkit.WantError(t, err, queue.ErrUnsupported)
				} else {
					item := mustClaim(t, q, "x")
					label := "me"
					if tt.name == "locking" {
						label = "" // random
					}
					if want := tt.lock + node[strings.LastIndex(node, "/")+1:] + " ephemeral v0 \"" + label; !strings.Contains(srv.Tree(), want) {
						t.Errorf("%s is missing in\n%s", want, srv.Tree())
					}
					if item.ID != id {
						t.Errorf("the item's id is %s, want %s", item.ID, id)
					}
					mustNack(t, item)
				}
				mustPop(t, q, "x")
			})
		})
	}
}

// Curator's putMulti puts several items into a node. They are taken one at a time,
// and the remaining ones keep their position.
func TestSeveralItemsInANode(t *testing.T) {
	for _, locks := range []bool{false, true} {
		t.Run(fmt.Sprintf("lock path %v", locks), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				s := srv.Session(t)
				opts := []queue.Option{queue.WithLayout(queue.Curator)}
				if locks {
					opts = append(opts, queue.WithLockPath("/app/locks"))
				}
				q := texts(s, opts...)
				mustPush(t, q, "first")
				var many []string
				for i := range 12 {
					many = append(many, fmt.Sprintf("m%d", i))
				}
				if _, _, err := s.Create(t.Context(), path+"/queue-", framed(many...), session.Sequential()); err != nil {
					t.Fatal(err)
				}
				mustPush(t, q, "last")
				if got, want := contents(t, q), "first "+strings.Join(many, " ")+" last"; got != want {
					t.Errorf("in the queue: %s, want %s", got, want)
				}
				mustPop(t, q, "first", "m0")
				srv.ResetRequests()
				mustPop(t, q, "m1")
				for _, r := range srv.Requests() {
					if r.Op == "getChildren2" {
						t.Errorf("%s was listed again", r.Path)
					}
				}
				if !strings.Contains(srv.Tree(), fmt.Sprintf("%s/queue-0000000001-2 v0 %q", path, framed(many[2:]...))) {
					t.Errorf("the rest is not there:\n%s", srv.Tree())
				}
				if locks {
					mustAck(t, mustClaim(t, q, "m2"))
					mustNack(t, mustClaim(t, q, "m3"))
					item := mustClaim(t, q, "m3")
					if item.Attempt != 2 {
						t.Errorf("attempt %d", item.Attempt)
					}
					if err := item.Bury(t.Context(), errors.New("reason")); err != nil {
						t.Fatal(err)
					}
					ls := dead(t, q)
					if len(ls) != 1 || string(ls[0].Data) != string(framed("m3")) || ls[0].Attempts != 2 {
						t.Fatalf("dead letters: %+v", ls)
					}
					if err := q.Requeue(t.Context(), ls[0].ID); err != nil {
						t.Fatal(err)
					}
					mustPop(t, q, many[4:]...)
					mustPop(t, q, "last", "m3")
				} else {
					mustPop(t, q, many[2:]...)
					mustPop(t, q, "last")
				}
				wantEmpty(t, q)
			})
		})
	}
}

// Curator's fault 3.19: a failing node of several items re-delivers its first ones.
func TestFailureAmongSeveralItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := zktest.New(t).Session(t)
		q := texts(s, queue.WithLayout(queue.Curator), queue.WithLockPath("/app/locks"))
		if _, _, err := s.Create(t.Context(), path+"/queue-", framed("a", "b", "c"), session.Sequential(), session.Parents()); err != nil {
			t.Fatal(err)
		}
		var got notes[string]
		stop := consuming(t, q, func(_ context.Context, item *queue.Item[string]) error {
			got.add(fmt.Sprint(item.Value, item.Attempt))
			if item.Value == "b" && item.Attempt == 1 {
				return errors.New("failed")
			}
			return nil
		})
		time.Sleep(time.Minute)
		stop()
		if s := strings.Join(got.take(), " "); s != "a1 b1 b2 c1" {
			t.Errorf("consumed %s", s)
		}
	})
}
