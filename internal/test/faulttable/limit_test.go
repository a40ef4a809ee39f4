package faulttable_test

import (
	"slices"
	"testing"

	"github.com/zkrecipes/zkrecipes/internal/test/faulttable"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func TestLimit(t *testing.T) {
	f := faulttable.Limit(func(zktest.Request) zktest.Fault { return zktest.DropReply })
	var got []zktest.Fault
	for range 6 {
		got = append(got, f(zktest.Request{Op: "getData", Path: "/a", Session: 1}))
		f(zktest.Request{Op: "getData", Path: "/b", Session: 1})
	}
	want := []zktest.Fault{zktest.DropReply, zktest.DropReply, zktest.Pass, zktest.DropReply, zktest.DropReply, zktest.Pass}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
