//go:build ensemble

package zktest

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// A transaction that consists of checks only changes nothing, but it is committed by a
// majority and consumes a zxid, whether its checks succeed or not. So a reply to it, even
// an error, proves that the leader was reached.
func TestCheckOnlyTransaction(t *testing.T) {
	c := Ensemble(t, 3)
	check := func(path string, version int32) wire.MultiOp {
		return wire.MultiOp{Op: wire.OpCheck, Body: &wire.PathVersion{Path: path, Version: version}}
	}
	failed := func(codes ...wire.Code) (results []wire.MultiResult) {
		for _, code := range codes {
			results = append(results, wire.MultiResult{Op: wire.OpError, Err: code})
		}
		return results
	}
	tests := []struct {
		name string
		ops  []wire.MultiOp
		want []wire.MultiResult
	}{
		{"holds", []wire.MultiOp{check("/", -1)}, []wire.MultiResult{{Op: wire.OpCheck}}},
		{"no such node", []wire.MultiOp{check("/absent", -1)}, failed(wire.CodeNoNode)},
		{"other version", []wire.MultiOp{check("/", 77)}, failed(wire.CodeBadVersion)},
		{
			"one of three fails",
			[]wire.MultiOp{check("/", -1), check("/absent", -1), check("/", -1)},
			failed(wire.OK, wire.CodeNoNode, wire.CodeRuntimeInconsistency),
		},
		{"empty", nil, nil},
	}
	leader, followers := roles(t, c)
	for mode, n := range map[string]*Node{"leader": leader, "follower": followers[0]} {
		client := dial(t, n.Addr())
		last, err := client.call(wire.OpSync, &wire.Path{Path: "/"}, &wire.Path{})
		if err != nil {
			t.Fatal(err)
		}
		for _, test := range tests {
			t.Run(mode+"/"+test.name, func(t *testing.T) {
				var got wire.MultiResponse
				h, err := client.call(wire.OpMulti, &wire.MultiRequest{Ops: test.ops}, &got)
				if err != nil {
					t.Fatalf("the header has %v", err)
				}
				if h.Zxid != last.Zxid+1 {
					t.Errorf("zxid %#x after %#x", h.Zxid, last.Zxid)
				}
				if diff := cmp.Diff(test.want, got.Results); diff != "" {
					t.Errorf("results (-want +got):\n%s", diff)
				}
				last = h
			})
		}
	}
}
