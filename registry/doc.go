// Package registry is where instances of services announce themselves, and where
// others find them.
//
// An instance is registered for as long as its process lives. It survives
// reconnects without a trace, and the end of a session with a new node in the place
// of the old one. Lookup and Watch return all instances of a service; a Resolver
// keeps them at hand, also while the ensemble is away, and picks one by turns, at
// random, by a key, or with an eye to those that have failed.
//
// The nodes are those of Apache Curator's x-discovery, so that Java programs find
// Go's instances and Go programs find Java's. WithLayout chooses those of Spring
// Cloud Zookeeper, of Go Micro, of go-kratos, or of Twitter's server sets, which
// Prometheus reads. What a stranger has written that cannot be understood is
// reported, and hides nothing else.
//
// A restart of an instance costs the servers five requests of its own and three for
// each process that watches the service: with 100 services of 50 instances, 200
// watchers and 50 restarts in every second, 507 requests per second (TestChurn). A
// reconnect costs nothing beyond that of the session.
package registry
