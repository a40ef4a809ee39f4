//go:build ensemble

package zktest_test

import (
	"flag"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/zkrecipes/zkrecipes/zktest"
)

var (
	operations = flag.Int("operations", 20000, "how many generated operations to compare with a real server")
	record     = flag.Bool("record", false, "record again what real servers answer to the scripts of testdata/transcripts and to the edge cases")
)

// realServer starts the server of $ZOOKEEPER_HOME or of Debian's package.
func realServer(t testing.TB, opts ...zktest.EnsembleOption) (addr, version string) {
	t.Helper()
	node := zktest.Ensemble(t, 1, append([]zktest.EnsembleOption{
		zktest.WithTick(50 * time.Millisecond), zktest.WithTimeouts(100*time.Millisecond, time.Minute),
		zktest.WithProperty("zookeeper.DigestAuthenticationProvider.superDigest", superDigest),
		zktest.WithProperty("znode.container.checkIntervalMs", "86400000"),
	}, opts...)...).Server(0)
	answer, err := node.Word(t.Context(), "srvr")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(answer, "version: ")
	if version = rest[:3]; version != "3.8" && version != "3.9" {
		t.Fatalf("a server of version %s", rest)
	}
	return node.Addr(), version
}

// TestDifferential plays generated scripts on a real server and on this one.
// A difference is shrunk and stored as a transcript for TestTranscripts.
func TestDifferential(t *testing.T) {
	addr, version := realServer(t)
	t.Run("edges", func(t *testing.T) {
		for name, edge := range edges {
			t.Run(name, func(t *testing.T) { compare(t, addr, version, edge()) })
		}
	})
	t.Run("transcripts", func(t *testing.T) {
		for name, tr := range transcripts(t) {
			t.Run(name, func(t *testing.T) {
				if want, got := compare(t, addr, version, tr.script), tr.received[version]; !*record {
					if diff := difference(want, got); diff != "" {
						t.Errorf("the transcript is another: %s", diff)
					}
				}
			})
		}
	})
	if *record {
		recordAll(t, addr, version)
	}
	t.Run("generated", func(t *testing.T) { generated(t, addr, version) })
}

func compare(t *testing.T, addr, version string, script []step) [scriptClients][]string {
	t.Helper()
	want, err := playScript(addr, script)
	if err != nil {
		t.Fatal("real: ", err)
	}
	got, err := playScript(serverLikeReal(t, version).Addr(), script)
	if diff := difference(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	return want
}

func generated(t *testing.T, addr, version string) {
	done, scripts, began := 0, 0, time.Now()
	var worst *transcript
	flag.Set("rapid.nofailfile", "true")
	flag.Set("rapid.checks", strconv.Itoa(max(1, *operations/100)))
	defer func() {
		t.Logf("%d operations in %d scripts in %v", done, scripts, time.Since(began).Round(time.Second))
		if worst != nil {
			keep(t, version, worst)
		}
	}()
	for done < *operations && !t.Failed() {
		rapid.Check(t, func(rt *rapid.T) {
			if done >= *operations && worst == nil {
				return
			}
			script := aScript.Draw(rt, "script")
			var want [scriptClients][]string
			var realErr error
			var real sync.WaitGroup
			real.Go(func() { want, realErr = playScript(addr, script) })
			s, err := zktest.Start(zktest.WithVersion(version), zktest.WithSuperDigest(superDigest), zktest.WithContainerCheck(24*time.Hour))
			if err != nil {
				rt.Fatal(err)
			}
			defer s.Close()
			got, err := playScript(s.Addr(), script)
			if real.Wait(); realErr != nil {
				rt.Fatal("real: ", realErr)
			}
			done += len(script)
			scripts++
			if diff := difference(want, got); diff != "" || err != nil {
				worst = &transcript{script, map[string][scriptClients][]string{version: want}}
				rt.Fatalf("%v\n%s", err, diff)
			}
		})
	}
}

func keep(t *testing.T, version string, tr *transcript) {
	h := fnv.New32a()
	fmt.Fprint(h, tr.script)
	file := fmt.Sprintf("testdata/transcripts/found-%08x.txt", h.Sum32())
	if err := tr.write(file); err != nil {
		t.Error(err)
	}
	b, _ := os.ReadFile(file)
	t.Logf("kept in %s:\n%s", file, b)
}

func transcripts(t *testing.T) map[string]*transcript {
	files, _ := filepath.Glob("testdata/transcripts/*.txt")
	all := make(map[string]*transcript)
	for _, file := range files {
		tr, err := readTranscript(file)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".txt")] = tr
	}
	return all
}

func recordAll(t *testing.T, addr, version string) {
	all := transcripts(t)
	for name, edge := range edges {
		if all[name] == nil {
			all[name] = &transcript{received: make(map[string][scriptClients][]string)}
		}
		all[name].script = edge()
	}
	for name, tr := range all {
		received, err := playScript(addr, tr.script)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		tr.received[version] = received
		if err := tr.write("testdata/transcripts/" + name + ".txt"); err != nil {
			t.Fatal(err)
		}
	}
}
