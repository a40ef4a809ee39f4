// Package bench compares the module with other libraries on real servers. It is a
// separate module, so that the module does not depend on the other libraries.
//
// It does not measure the recipes by themselves: zkr bench does, for all of them and on
// any ensemble. zkr bench cannot use other libraries. Here, two libraries do the same on
// one server, behind a proxy that delays both, so that the number of round trips decides.
//
// Package zktest starts the servers, which needs Java and ZooKeeper. Absolute numbers
// depend on the machine. Compare ratios, measured in turns in one run:
//
//	go test -run Ratio -v                 # lock.Mutex and go-zookeeper's zk.Lock
//	go test -run '^$' -bench .            # the same as benchmarks, and memory
//	go run ./plot ../docs/benchmark.svg   # the plot of the README
package bench
