package repo

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The workflow of GitHub runs every step of .ci/run, and names no other.
func TestWorkflowRunsEveryStep(t *testing.T) {
	inRoot(t)
	run, err := os.ReadFile(".ci/run")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^if step (\S+) "`).FindAllStringSubmatch(string(run), -1) {
		want = append(want, m[1])
	}
	if len(want) == 0 {
		t.Fatal(".ci/run has no steps")
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
