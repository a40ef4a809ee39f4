package session_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A token has one form in Go, in JSON, in logs and in the shell, so that programs
// can compare what they have stored.
func TestZxidIsDecimal(t *testing.T) {
	const z, want = session.Zxid(0x100000003), "4294967299"
	data, err := json.Marshal(z)
	if err != nil {
		t.Fatal(err)
	}
	for form, got := range map[string]string{
		"Sprint": fmt.Sprint(z), "%v": fmt.Sprintf("%v", z), "%d": fmt.Sprintf("%d", z), "JSON": string(data),
		"slog": slog.AnyValue(z).String(), "in a struct": fmt.Sprint(struct{ Token session.Zxid }{z}),
	} {
		if got != want && got != "{"+want+"}" {
			t.Errorf("%s: %s, not %s", form, got, want)
		}
	}
	var back session.Zxid
	if err := json.Unmarshal(data, &back); err != nil || back != z {
		t.Errorf("%s is read as %v (%v)", data, back, err)
	}
}

// A transaction returns the Stat of the nodes that it has created: all of it, or only the
// zxids and the owner if servers return no Stat.
func TestTxnReturnsStat(t *testing.T) {
	for version, whole := range map[string]bool{"3.9": true, "3.8": false} {
		t.Run(version, func(t *testing.T) { checkTxnStat(t, zktest.New(t, zktest.WithVersion(version)).Session(t), whole) })
	}
	t.Run("any server", func(t *testing.T) { checkTxnStat(t, zktest.Open(t).Session(t), false) })
}

func checkTxnStat(t *testing.T, z *session.Session, whole bool) {
	results, err := z.Txn(t.Context(), session.OpCreate("/a", []byte("data")), session.OpCreate("/b", nil, session.Ephemeral()))
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range results {
		_, st, err := z.Get(t.Context(), r.Path)
		if err != nil || r.Stat.Czxid != st.Czxid || r.Stat.Mzxid != st.Mzxid || r.Stat.EphemeralOwner != st.EphemeralOwner || whole && r.Stat != st {
			t.Errorf("%s: %+v, want %+v (%v)", r.Path, r.Stat, st, err)
		}
	}
}
