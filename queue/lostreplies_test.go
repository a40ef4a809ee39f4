package queue_test

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Curator's fault 3.4: a put whose reply was lost makes two nodes. Here the push is
// known to be done even if the item was taken before the producer could check.
func TestPushedItemIsTakenBeforeTheProducerKnows(t *testing.T) {
	for name, opts := range layouts {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				producer, consumer := texts(srv.Session(t), opts...), texts(srv.Session(t), opts...)
				mustPush(t, producer, "0") // makes the folders and the receipt
				mustPop(t, consumer, "0")
				lost := false
				srv.Fault(func(r zktest.Request) zktest.Fault {
					if writes(r) && !lost {
						lost = true
						return zktest.DropReply
					}
					return zktest.Pass
				})
				srv.Inject(zktest.Rule{Op: "connect", Delay: time.Second})
				pushed := make(chan error)
				var id string
				go func() {
					var err error
					id, err = producer.Push(testkit.Soon(t), "x")
					pushed <- err
				}()
				mustPop(t, consumer, "x")
				if err := <-pushed; err != nil {
					t.Errorf("Push: %v", err)
				}
				if name == "native" && id == "" {
					t.Error("no id")
				}
				wantEmpty(t, consumer)
			})
		})
	}
}

func writes(r zktest.Request) bool {
	return r.Op == "multi" || strings.HasPrefix(r.Op, "create") || r.Op == "delete" || r.Op == "setData"
}

// Curator's fault 3.4: items are lost when the reply to their removal is lost, and
// duplicated when the reply to their creation is lost.
func TestEveryReplyIsLostOnce(t *testing.T) {
	for name, opts := range layouts {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				q := texts(srv.Session(t), opts...)
				mustPush(t, q, "first") // makes the folders
				if name == "curator" {
					mustPop(t, q, "first")
				} else {
					mustAck(t, mustClaim(t, q, "first"))
				}
				n := 0
				srv.Fault(func(r zktest.Request) zktest.Fault {
					if !writes(r) || r.Path == "/" { // the latter is a proof of the session
						return zktest.Pass
					}
					n++
					return []zktest.Fault{zktest.DropReply, zktest.Pass, zktest.Refuse}[n%3]
				})
				for i := range 10 {
					mustPush(t, q, fmt.Sprint(i))
				}
				for i := range 10 {
					mustPop(t, q, fmt.Sprint(i))
				}
				wantEmpty(t, q)
			})
		})
	}
}

// Curator's fault 3.5: a lock whose reply was lost is taken for another consumer's
// lock, and blocks its item as long as the session lives.
func TestClaimWhoseReplyIsLostIsOurs(t *testing.T) {
	for _, name := range []string{"native", "curator locks", "kazoo locking"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := zktest.New(t)
				q := texts(srv.Session(t), layouts[name]...)
				mustPush(t, q, "x", "y")
				mustAck(t, mustClaim(t, q, "x"))
				srv.Inject(zktest.Rule{Op: "multi", Nth: 1, Fault: zktest.DropReply})
				start := time.Now()
				item := mustClaim(t, q, "y")
				mustAck(t, item)
				if d := time.Since(start); d > time.Second {
					t.Errorf("it took %v", d)
				}
				wantEmpty(t, q)
			})
		})
	}
}
