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

// changeSetting changes a setting of two processes, and then writes data that is not
// a setting.
func changeSetting(ctx context.Context, st *stage) error {
	all, err := st.actors(ctx, "ann", "bob", "cleo")
	if err != nil {
		return err
	}
	defer all.close()
	const path, malformed = "/config", "many"
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
			if err := next(ctx, v, func() bool { return settled(v) }); err != nil {
				return err
			}
			var de *config.DecodeError
			if errors.As(v.Err(), &de) {
				all[i].say("still uses a limit of %d; Err says that the data of zxid %d is not a setting", v.Load().Clients, de.Zxid)
			} else {
				all[i].say("uses a limit of %d", v.Load().Clients)
			}
		}
		return nil
	}
	if err := set(20); err != nil {
		return err
	}
	if err := allReaders(func(v *config.Value[limits]) bool { return v.Load().Clients == 20 }); err != nil {
		return err
	}
	cleo.say("writes %q", malformed)
	if _, err := cleo.Set(ctx, path, []byte(malformed), session.AnyVersion); err != nil {
		return err
	}
	err = allReaders(func(v *config.Value[limits]) bool {
		var de *config.DecodeError
		return errors.As(v.Err(), &de)
	})
	if err == nil && values[0].Load().Clients != 20 {
		err = fmt.Errorf("the malformed data is in use: %v", values[0].Load())
	}
	return err
}
