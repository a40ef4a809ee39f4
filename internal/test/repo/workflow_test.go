package repo

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The workflow of GitHub runs every step of .ci/run, and names no other.
func TestWorkflowRunsEveryStep(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip(err)
	}
	inRoot(t)
	out, err := exec.Command("bash", ".ci/run", "-l").Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for line := range strings.Lines(string(out)) {
		name, _, _ := strings.Cut(line, " ")
		want = append(want, name)
	}
	workflow, err := os.ReadFile(".github/workflows/ci.yml")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, m := range regexp.MustCompile(`(?m)^ +steps: (.+)$`).FindAllStringSubmatch(string(workflow), -1) {
		got = append(got, strings.Fields(m[1])...)
	}
	slices.Sort(want)
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("the workflow runs %v, want %v", got, want)
	}
}
