// Package bench measures this library beside others, on real servers. It is a
// module of its own, so that what it compares with is nobody's dependency.
//
// The servers are started by package zktest, which needs Java and ZooKeeper.
// Absolute numbers depend on the machine; the ratios, taken in turns in one run,
// are what counts:
//
//	go test -run Ratio -v            # ours against go-zookeeper's zk.Lock
//	go test -run '^$' -bench .       # the same as benchmarks, and memory
package bench
