package config_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// fresh reads a value as it is stored.
func fresh(t testing.TB, s *session.Session, path string) (config.Snapshot[int], error) {
	t.Helper()
	snap, err := config.Get(t.Context(), s, path, codec.JSON[int]())
	var de *config.DecodeError
	if err != nil && !errors.Is(err, session.ErrNoNode) && !errors.As(err, &de) {
		t.Fatal(err)
	}
	return snap, err
}

// Curator's faults 3.21 and 3.22 under random changes while the session is
// disconnected, expires and reconnects: in the end a Value and a Tree show what is
// stored, and for each invalid key its last good value or nothing.
func TestRandomChangesAndReconnects(t *testing.T) {
	for seed := range 40 {
		synctest.Test(t, func(t *testing.T) {
			srv := zktest.New(t)
			s, other := srv.Session(t), srv.Session(t)
			r := rand.New(rand.NewPCG(uint64(seed), 2))
			v, err := config.OpenOr(t.Context(), s, "/conf/a", codec.JSON[int](), -1)
			if err != nil {
				t.Fatal(err)
			}
			defer v.Close()
			tree := openTree(t, s, codec.JSON[int]())
			keys := []string{"a", "d/b", "d/c"}
			good := map[string]bool{} // every value that has ever been good
			step := func() {
				key := keys[r.IntN(len(keys))]
				p := "/conf/" + key
				switch n := r.IntN(10); {
				case n < 5:
					data := fmt.Sprint(r.IntN(3)) // the same again, at times
					good[key+data] = true
					write(t, other, p, data)
				case n < 7:
					write(t, other, p, "nonsense")
				case n < 8:
					if err := other.Delete(t.Context(), p, -1); err != nil && !errors.Is(err, session.ErrNoNode) {
						t.Fatal(err)
					}
				default: // through the value, whose session may be on its way back
					if _, err := config.Put(t.Context(), s, p, codec.JSON[int](), 7, session.AnyVersion); err != nil && !errors.Is(err, session.ErrUnknown) {
						t.Fatal(err)
					}
					good[key+"7"] = true
				}
			}
			for range 40 {
				switch r.IntN(6) {
				case 0:
					heal := srv.Partition(s.Status().ID)
					time.AfterFunc(time.Duration(r.IntN(8000))*time.Millisecond, heal)
				case 1:
					srv.Expire(s.Status().ID)
				}
				step()
				time.Sleep(time.Duration(r.IntN(3)*r.IntN(200)) * time.Millisecond)
			}
			time.Sleep(2 * time.Minute)

			stored, err := fresh(t, other, "/conf/a")
			var de *config.DecodeError
			switch {
			case err == nil && (v.Snapshot() != stored || v.Err() != nil):
				t.Errorf("it is %+v, %v, and stored is %+v", v.Snapshot(), v.Err(), stored)
			case errors.Is(err, session.ErrNoNode) && v.Snapshot().Zxid != 0 && !errors.Is(v.Err(), session.ErrNoNode),
				errors.As(err, &de) && !errors.As(v.Err(), &de):
				t.Errorf("Err is %v, and what is stored: %v", v.Err(), err)
			case err != nil && v.Load() != -1 && !good["a"+fmt.Sprint(v.Load())]:
				t.Errorf("it is %v, which it never was", v.Load())
			}
			shown := tree.Load()
			for _, key := range keys {
				stored, err := fresh(t, other, "/conf/"+key)
				value, ok := shown.Get(key)
				_, isBad := shown.Errors[key]
				switch {
				case err == nil && (!ok || value != stored.Value || isBad):
					t.Errorf("%s is %v, %v, and stored is %+v", key, value, ok, stored)
				case errors.Is(err, session.ErrNoNode) && (ok || isBad):
					t.Errorf("%s is %v, and is not stored", key, value)
				case errors.As(err, &de) && (!isBad || ok && !good[key+fmt.Sprint(value)]):
					t.Errorf("%s is %v, %v, and stored is nonsense", key, value, shown.Errors[key])
				}
			}
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}
