package session_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"

	"github.com/zkrecipes/zkrecipes/session"
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
