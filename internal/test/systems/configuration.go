package systems

import (
	"errors"
	"fmt"
	"testing"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// ConfigurationOfManyMachines runs three machines that watch one node and apply its
// value whenever it changes. An invalid value is not applied.
func ConfigurationOfManyMachines(t *testing.T, target *zktest.Target) {
	type settings struct{ Pool int }
	valid := codec.Checked(codec.JSON[settings](), func(s settings) error {
		if s.Pool <= 0 {
			return errors.New("no pool")
		}
		return nil
	})
	ctx := withinLimit(t)
	const path = "/configuration"
	admin := newClient(t, target)
	if _, err := config.Put(ctx, admin.session, path, valid, settings{1}, config.Absent); err != nil {
		t.Fatal(err)
	}
	applied := make([]chan settings, 3)
	var values []*config.Value[settings]
	for i := range applied {
		applied[i] = make(chan settings, 100)
		v, err := config.Open(ctx, newClient(t, target).session, path, valid)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { v.Close() })
		values = append(values, v)
		go func() {
			for s, err := range v.Watch(ctx) {
				if err == nil {
					applied[i] <- s.Value
				}
			}
		}()
	}
	awaitApplied := func(want settings) {
		t.Helper()
		for _, c := range applied {
			for receive(t, fmt.Sprint("settings ", want), c) != want { // versions in between may be skipped or not
			}
		}
	}
	awaitApplied(settings{1})
	if _, err := config.Put(ctx, admin.session, path, valid, settings{2}, 0); err != nil {
		t.Fatal(err)
	}
	awaitApplied(settings{2})

	foreign := newForeignClient(t, target)
	for _, data := range []string{"{}", `{"Pool":3}`} {
		if _, err := foreign.Set(target.Root()+path, []byte(data), -1); err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			if n := v.Load().Pool; n < 2 {
				t.Errorf("a machine applied a pool of %d", n)
			}
		}
	}
	awaitApplied(settings{3})
}
