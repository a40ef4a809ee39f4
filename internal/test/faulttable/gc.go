package faulttable

import "runtime/debug"

// A table plays thousands of clusters, and each client allocates buffers of megabytes
// for a few requests. Collecting garbage as often as usual takes half of the time.
func init() { debug.SetGCPercent(1000) }
