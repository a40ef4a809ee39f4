package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/session"
)

type limits struct{ Clients int }

// reconfigure changes what two processes go by, and then writes nonsense.
func reconfigure(ctx context.Context, st *stage) error {
	all, err := st.actors(ctx, "ann", "bob", "cleo")
	if err != nil {
		return err
	}
	defer all.leave()
	const path = "/config"
	cleo := all[2]
	set := func(clients int) error {
		cleo.say("sets a limit of %d", clients)
		_, err := config.Put(ctx, cleo.Session, path, codec.JSON[limits](), limits{clients}, session.AnyVersion)
		return err
	}
	if err := set(10); err != nil {
		return err
	}
	var values []*config.Value[limits]
	for _, a := range all[:2] {
		v, err := config.Open(ctx, a.Session, path, codec.JSON[limits]())
		if err != nil {
			return err
		}
		defer v.Close()
		values = append(values, v)
	}
	allReaders := func(settled func(*config.Value[limits]) bool) error {
		for i, v := range values {
			if err := until(ctx, v, settled); err != nil {
				return err
			}
			all[i].say("goes by a limit of %d (%v)", v.Load().Clients, v.Err())
		}
		return nil
	}
	if err := set(20); err != nil {
		return err
	}
	if err := allReaders(func(v *config.Value[limits]) bool { return v.Load().Clients == 20 }); err != nil {
		return err
	}
	cleo.say("writes nonsense")
	if _, err := cleo.Set(ctx, path, []byte("many"), session.AnyVersion); err != nil {
		return err
	}
	err = allReaders(func(v *config.Value[limits]) bool {
		var nonsense *config.DecodeError
		return errors.As(v.Err(), &nonsense)
	})
	if err == nil && values[0].Load().Clients != 20 {
		err = fmt.Errorf("nonsense has come into force: %v", values[0].Load())
	}
	return err
}

func until(ctx context.Context, v *config.Value[limits], ok func(*config.Value[limits]) bool) error {
	for {
		changed := v.Changed()
		if ok(v) {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
