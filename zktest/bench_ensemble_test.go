//go:build ensemble

package zktest_test

import "testing"

// BenchmarkReal is BenchmarkServer on a real server, which does not wait for
// its disk either.
func BenchmarkReal(b *testing.B) {
	addr, _ := realServer(b)
	workloads(b, addr)
}
