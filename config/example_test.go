package config_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func Example() {
	server, err := zktest.Start() // a ZooKeeper to try things with
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	ctx := context.Background()
	s, err := session.Connect(ctx, server.Addr()) // "zk1:2181,zk2:2181,zk3:2181"
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close(ctx)

	type Limits struct {
		Rate  int `json:"rate"`
		Burst int `json:"burst"`
	}
	limits, err := config.OpenOr(ctx, s, "/app/limits", codec.JSON[Limits](), Limits{Rate: 10, Burst: 20})
	if err != nil {
		log.Fatal(err)
	}
	defer limits.Close()
	fmt.Println(limits.Load().Rate) // in every request

	_, err = limits.Update(ctx, func(l Limits) (Limits, error) {
		l.Rate *= 2
		return l, nil
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(limits.Load())
	// Output:
	// 10
	// {20 20}
}

// connect is for the examples below; the first one shows it in full.
func connect() (s *session.Session, done func()) {
	server, err := zktest.Start()
	if err != nil {
		log.Fatal(err)
	}
	s, err = session.Connect(context.Background(), server.Addr())
	if err != nil {
		log.Fatal(err)
	}
	return s, func() {
		s.Close(context.Background())
		server.Close()
	}
}

// An invalid value is refused on both sides: Put and Update do not write it, and if it
// is written by hand, the last good value stays.
func ExampleValue_Watch() {
	s, done := connect()
	defer done()
	ctx := context.Background()
	rates := codec.Checked(codec.JSON[int](), func(rate int) error {
		if rate <= 0 {
			return errors.New("not a rate")
		}
		return nil
	})
	if _, err := config.Put(ctx, s, "/app/rate", rates, 10, session.AnyVersion); err != nil {
		log.Fatal(err)
	}
	rate, err := config.Open(ctx, s, "/app/rate", rates)
	if err != nil {
		log.Fatal(err)
	}
	defer rate.Close()

	for snap, err := range rate.Watch(ctx) {
		var bad *config.DecodeError
		switch {
		case errors.As(err, &bad):
			fmt.Println("still", snap.Value, "because of:", bad.Err)
			s.Set(ctx, "/app/rate", []byte("20"), session.AnyVersion)
		case err != nil: // the loop ends when ctx does
			log.Fatal(err)
		case snap.Value == 10:
			fmt.Println("begins with", snap.Value)
			s.Set(ctx, "/app/rate", []byte("-1"), session.AnyVersion) // by hand
		default:
			fmt.Println("now", snap.Value, "in version", snap.Version)
			return
		}
	}
	// Output:
	// begins with 10
	// still 10 because of: codec: refused: not a rate
	// now 20 in version 2
}

// Changed is for loops that wait for other events as well, and Err for readiness
// probes.
func ExampleValue_Changed() {
	s, done := connect()
	defer done()
	ctx := context.Background()
	level, err := config.OpenOr(ctx, s, "/app/level", codec.Text(), "info")
	if err != nil {
		log.Fatal(err)
	}
	defer level.Close()
	for {
		changed := level.Changed() // before Load, so that nothing is missed
		fmt.Println(level.Load(), level.Err())
		if level.Load() == "debug" {
			return
		}
		if _, _, err := s.Create(ctx, "/app/level", []byte("debug"), session.Parents()); err != nil {
			log.Fatal(err)
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
	// Output:
	// info <nil>
	// debug <nil>
}

// A Tree shows all values at one moment: values that one transaction changed are seen
// together.
func ExampleTree() {
	s, done := connect()
	defer done()
	ctx := context.Background()
	tree, err := config.OpenTree(ctx, s, "/conf", codec.Text())
	if err != nil {
		log.Fatal(err)
	}
	defer tree.Close()
	for key, value := range map[string]string{"db/host": "one", "db/user": "me"} {
		if _, err := tree.Put(ctx, key, value, session.AnyVersion); err != nil {
			log.Fatal(err)
		}
	}
	var last config.TreeSnapshot[string]
	for v, err := range tree.Watch(ctx) {
		if err != nil {
			log.Fatal(err)
		}
		added, removed, changed := v.Diff(last)
		last = v
		switch host, _ := v.Get("db/host"); {
		case host == "two":
			fmt.Println(len(changed), "have changed and", len(added)+len(removed), "have come or gone:", v.Map())
			return
		case len(v.Entries) == 2:
			fmt.Println(v.Map())
			_, err := s.Txn(ctx, session.OpSet("/conf/db/host", []byte("two"), 0), session.OpSet("/conf/db/user", []byte("you"), 0))
			if err != nil {
				log.Fatal(err)
			}
		}
	}
	// Output:
	// map[db/host:one db/user:me]
	// 2 have changed and 0 have come or gone: map[db/host:two db/user:you]
}

// Put with a version is compare-and-set for programs in which a user edits a value.
func ExamplePut() {
	s, done := connect()
	defer done()
	ctx := context.Background()
	first, err := config.Put(ctx, s, "/app/motd", codec.Text(), "welcome", config.Absent)
	if err != nil {
		log.Fatal(err)
	}
	edited := first.Value + " back"
	if _, err := config.Put(ctx, s, "/app/motd", codec.Text(), "somebody else's", session.AnyVersion); err != nil {
		log.Fatal(err)
	}
	_, err = config.Put(ctx, s, "/app/motd", codec.Text(), edited, first.Version)
	fmt.Println(err)
	// Output:
	// config: set /app/motd: bad version: want 0, node is at 1
}
