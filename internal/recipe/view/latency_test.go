package view_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/recipe/view"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A prompt view pauses between changes only as much as its average read rate
// requires.
func TestPrompt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := zktest.New(t)
		s, other := srv.Session(t), srv.Session(t)
		testkit.Create(t, s, "/d/a", "0", session.Parents())
		v := open(t, s, "/d", view.Options{Depth: 1, Prompt: true})
		for i := range 20 {
			changed, start := v.Changed(), time.Now()
			testkit.Set(t, other, "/d/a", fmt.Sprint(i+1))
			<-changed
			if d := time.Since(start); d > 5*time.Millisecond || text(v.Snapshot()) != fmt.Sprintf(" a=%d", i+1) {
				t.Errorf("after %v it shows %q", d, text(v.Snapshot()))
			}
		}
	})
}
