//go:build ensemble

package zktest_test

import (
	"maps"
	"regexp"
	"slices"
	"testing"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// heading matches the name at the start of a line.
var heading = regexp.MustCompile(`(?m)^\s*([A-Za-z_. ]+[A-Za-z])\s*[:=\t(]`)

// connField matches a field in the line of a connection.
var connField = regexp.MustCompile(`[(,]([a-z]+)=`)

// TestWords compares the fields in the answers to four-letter words. The mntr of a real
// server also has internal counters.
func TestWords(t *testing.T) {
	addr, version := realServer(t)
	own := serverLikeReal(t, version).Addr()
	fields := func(addr, w string) map[string]bool {
		a := &scriptClient{}
		if err := a.connect(addr, wire.ConnectRequest{Timeout: 10000, Passwd: make([]byte, 16)}); err != nil {
			t.Fatal(err)
		}
		for _, st := range []step{{Do: "create", Path: "/" + w, Flags: 1, ACL: openWorld}, {Do: "exists", Path: "/" + w, Watch: true}} {
			if _, err := a.call(st, &wire.Empty{}); err != nil {
				t.Fatal(err)
			}
		}
		text, err := word(addr, w)
		if err != nil {
			t.Fatal(err)
		}
		a.call(step{Do: "closeSession"}, &wire.Empty{})
		a.nc.Close()
		all := make(map[string]bool)
		for _, m := range connField.FindAllStringSubmatch(text, -1) {
			all[m[1]] = true
		}
		for _, m := range heading.FindAllStringSubmatch(text, -1) {
			all[m[1]] = true
		}
		t.Logf("%s of %s:\n%s", w, addr, text)
		return all
	}
	for _, w := range []string{"ruok", "isro", "srvr", "stat", "mntr", "conf", "cons", "dump", "wchs", "wchc", "wchp", "envi", "dirs", "gtmk", "crst", "cons", "srst", "srvr"} {
		real, got := fields(addr, w), fields(own, w)
		for _, name := range slices.Sorted(maps.Keys(got)) {
			if !real[name] {
				t.Errorf("%s: the real server has no %q", w, name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(real)) {
			if !got[name] && w != "mntr" {
				t.Errorf("%s: no %q", w, name)
			}
		}
	}
}
