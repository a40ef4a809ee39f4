package config_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/config"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The servers lose their data after a value has been written many times. The zxids
// begin again, and what is stored then is shown, whichever client has written it.
func TestValueFollowsServersThatLostTheirData(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		for i := range 20 {
			put(t, s, fmt.Sprint("old", i))
		}
		v, err := config.Open(t.Context(), s, path, codec.Text())
		if err != nil {
			t.Fatal(err)
		}
		defer v.Close()
		if err := srv.RestartEmpty(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if _, err := v.Put(t.Context(), "own", session.AnyVersion); err != nil || v.Load() != "own" || v.Err() != nil {
			t.Errorf("after a Put: %q, %v (%v)", v.Load(), v.Err(), err)
		}
		put(t, srv.Session(t), "another's")
		time.Sleep(time.Minute)
		if v.Load() != "another's" || v.Err() != nil {
			t.Errorf("after another's Put: %q, %v", v.Load(), v.Err())
		}
	})
}

// After a restore the same zxid and version may belong to other data.
func TestOtherDataWithTheSameZxidAndVersionIsShown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s := srv.Session(t)
		var zxid session.Zxid
		for _, data := range []string{"old", "new"} {
			if err := srv.RestartEmpty(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
			srv.JumpZxid(1000)
			_, st, err := s.Create(t.Context(), "/tree/a", []byte(data), session.Parents())
			if err != nil || zxid != 0 && st.Mzxid != zxid {
				t.Fatalf("written by %v, and before by %v: %v", st.Mzxid, zxid, err)
			}
			zxid = st.Mzxid
			if data == "old" {
				v, err := config.Open(t.Context(), s, "/tree/a", codec.Text())
				if err != nil {
					t.Fatal(err)
				}
				defer v.Close()
				tree, err := config.OpenTree(t.Context(), s, "/tree", codec.Text())
				if err != nil {
					t.Fatal(err)
				}
				defer tree.Close()
				was := tree.Load()
				defer func() {
					if v.Load() != "new" || v.Err() != nil {
						t.Errorf("the value is %q, %v", v.Load(), v.Err())
					}
					if got, _ := tree.Load().Get("a"); got != "new" || tree.Err() != nil {
						t.Errorf("the tree has %q, %v", got, tree.Err())
					}
					if _, _, changed := tree.Load().Diff(was); len(changed) != 1 {
						t.Errorf("%d values have changed", len(changed))
					}
				}()
			}
		}
		time.Sleep(time.Minute)
	})
}

func put(t *testing.T, s *session.Session, text string) {
	t.Helper()
	if _, err := config.Put(t.Context(), s, path, codec.Text(), text, session.AnyVersion); err != nil {
		t.Fatal(err)
	}
}
