// Package registry lets instances of services register themselves, and clients find
// them.
//
// Use it for service discovery. An instance is registered for as long as its process
// lives. What clients know may be out of date: an instance that has crashed is listed
// until its session expires, and while the ensemble cannot be reached a Resolver shows
// the instances that it read last.
//
// # Usage
//
//	r := registry.New(s, "/services")
//	g, err := r.Register(ctx, registry.Instance{Service: "greeter", Addr: "10.0.0.1:8080"})
//	...
//	defer g.Deregister(ctx)
//
//	res, err := r.Resolve(ctx, "greeter")
//	...
//	defer res.Close()
//	next := registry.RoundRobin()
//	in, err := res.Pick(next)
//
// Lookup and Watch return all instances of a service. A Resolver keeps them in memory,
// also while the ensemble cannot be reached, and picks one with a Picker: RoundRobin,
// Random, Sticky or LeastRecentlyFailed. Keep a Picker and use it for all picks.
//
// # Loss
//
// A reconnect does not change an instance's node. After the end of a ZooKeeper session
// the next one creates a new node in place of the old one. Nodes that cannot be
// decoded are reported to WithMalformedHandler and do not hide other instances.
//
// # Cost
//
// A restart of an instance costs the servers five requests, and three for each process
// that watches the service: with 100 services of 50 instances, 200 watchers and 50
// restarts per second, 507 requests per second (TestChurn). A reconnect costs nothing
// beyond the reconnect of the session.
//
// # Layout
//
// The nodes are those of Apache Curator's x-discovery, so Java programs find Go
// instances and Go programs find Java instances. WithLayout selects the nodes of
// Spring Cloud Zookeeper, of Go Micro, of go-kratos, or of Twitter's server sets,
// which Prometheus reads.
package registry
