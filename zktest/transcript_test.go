package zktest_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/zktest"
)

// A transcript is a script with what its clients received from real servers.
type transcript struct {
	script   []step
	received map[string][scriptClients][]string // by version
}

var versions = []string{"3.8", "3.9"}

// serverLikeReal returns a server whose replies can be compared with those of a real one.
func serverLikeReal(t testing.TB, version string) *zktest.Server {
	return zktest.New(t, zktest.WithVersion(version), zktest.WithSuperDigest(superDigest), zktest.WithContainerCheck(24*time.Hour))
}

// TestTranscripts compares the server with recorded replies of real servers: in the edge
// cases of the protocol, and wherever a difference was found before.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/transcripts/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("transcripts: %v, %v", files, err)
	}
	for _, file := range files {
		tr, err := readTranscript(file)
		if err != nil {
			t.Fatal(err)
		}
		for version, want := range tr.received {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".txt")+"/"+version, func(t *testing.T) {
				got, err := playScript(serverLikeReal(t, version).Addr(), tr.script)
				if err != nil {
					t.Fatal(err)
				}
				if diff := difference(want, got); diff != "" {
					t.Error(diff)
				}
			})
		}
	}
}

// difference describes the first difference in what each client received.
func difference(want, got [scriptClients][]string) string {
	var b strings.Builder
	for c := range want {
		for i := range max(len(want[c]), len(got[c])) {
			w, g := "nothing", "nothing"
			if i < len(want[c]) {
				w = want[c][i]
			}
			if i < len(got[c]) {
				g = got[c][i]
			}
			if w != g {
				fmt.Fprintf(&b, "client %d, line %d:\nreal   %s\nzktest %s\n", c, i, w, g)
				break
			}
		}
	}
	return b.String()
}

func readTranscript(file string) (*transcript, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	tr := &transcript{received: make(map[string][scriptClients][]string)}
	for n, line := range strings.Split(strings.TrimRight(string(b), "\n"), "\n") {
		version, rest, _ := strings.Cut(line, " ")
		switch {
		case version == "step":
			st, err := parseStep(rest)
			if err != nil {
				return nil, fmt.Errorf("%s:%d: %w", file, n+1, err)
			}
			tr.script = append(tr.script, st)
		case slices.Contains(versions, version):
			received := tr.received[version]
			var c int
			if _, err := fmt.Sscanf(rest, "%d", &c); err != nil || c < 0 || c >= scriptClients {
				return nil, fmt.Errorf("%s:%d: no client", file, n+1)
			}
			_, text, _ := strings.Cut(rest, " ")
			received[c] = append(received[c], text)
			tr.received[version] = received
		default:
			return nil, fmt.Errorf("%s:%d: neither a step nor a reply", file, n+1)
		}
	}
	return tr, nil
}

func (tr *transcript) write(file string) error {
	var b strings.Builder
	for _, st := range tr.script {
		fmt.Fprintf(&b, "step %v\n", st)
	}
	for _, version := range versions {
		for c, lines := range tr.received[version] {
			for _, line := range lines {
				fmt.Fprintf(&b, "%s %d %s\n", version, c, line)
			}
		}
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return os.WriteFile(file, []byte(b.String()), 0o644)
}
