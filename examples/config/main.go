// A service follows its limits while operators change them: one does well, one
// makes a mistake, one deletes them by accident, and one puts them right. The
// service goes on with the last good ones all the while.
//
// It uses $ZK_SERVERS, or else a server of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

type limits struct {
	Rate  int `json:"rate"`
	Burst int `json:"burst"`
}

// stored is how limits are stored, and which must not come into force.
var stored = codec.Checked(codec.JSON[limits](), func(l limits) error {
	if l.Rate <= 0 || l.Burst < l.Rate {
		return fmt.Errorf("a rate of %d and a burst of %d", l.Rate, l.Burst)
	}
	return nil
})

func run(ctx context.Context, out io.Writer) error {
	servers := os.Getenv("ZK_SERVERS")
	if servers == "" {
		srv, err := zktest.Start()
		if err != nil {
			return err
		}
		defer srv.Close()
		servers = srv.Addr()
	}
	connecting, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	s, err := session.Connect(connecting, servers)
	if err != nil {
		return err
	}
	defer s.Close(context.Background())
	path := "/examples/limits-" + session.GUID()[:8]
	defer s.Delete(context.Background(), path, session.AnyVersion)

	operators := []func() error{
		func() error {
			_, err := config.Put(ctx, s, path, stored, limits{Rate: 20, Burst: 50}, session.AnyVersion)
			return err
		},
		func() error {
			_, err := s.Set(ctx, path, []byte(`{"rate":200,"burst":50}`), session.AnyVersion) // by hand
			return err
		},
		func() error { return s.Delete(ctx, path, session.AnyVersion) },
		func() error {
			_, err := config.Put(ctx, s, path, stored, limits{Rate: 200, Burst: 500}, config.Absent)
			return err
		},
	}
	return serve(ctx, s, path, out, func() (more bool, err error) {
		if len(operators) == 0 {
			return false, nil
		}
		err = operators[0]()
		operators = operators[1:]
		return true, err
	})
}

// serve prints the limits as they come, and has the next operator act.
func serve(ctx context.Context, s *session.Session, path string, out io.Writer, next func() (more bool, err error)) error {
	v, err := config.OpenOr(ctx, s, path, stored, limits{Rate: 10, Burst: 20})
	if err != nil {
		return err
	}
	defer v.Close()
	for snap, err := range v.Watch(ctx) {
		var bad *config.DecodeError
		switch {
		case err == nil:
			fmt.Fprintf(out, "serving %d a second, up to %d at once\n", snap.Value.Rate, snap.Value.Burst)
		case errors.As(err, &bad):
			fmt.Fprintf(out, "still %d a second: %v\n", v.Load().Rate, bad.Err)
		case errors.Is(err, session.ErrNoNode):
			fmt.Fprintf(out, "still %d a second: deleted\n", v.Load().Rate)
		default:
			return err // ctx has ended
		}
		if more, err := next(); !more || err != nil {
			return err
		}
	}
	return nil
}
