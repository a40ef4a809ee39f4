package faulttable

import "runtime/debug"

// A table makes thousands of runs, and each client allocates buffers of megabytes for a few
// requests. With the default setting, garbage collection takes half of the time.
func init() { debug.SetGCPercent(1000) }
