// Package kratos lets go-kratos applications register themselves in ZooKeeper, and
// find each other: its Registry is go-kratos' Registrar and Discovery.
//
//	r := kratos.New(registry.New(s, "", registry.WithLayout(registry.Kratos)))
//	app := kratosv2.New(kratosv2.Name("greeter"), kratosv2.Server(...), kratosv2.Registrar(r))
//	...
//	conn, err := grpc.DialInsecure(ctx, grpc.WithEndpoint("discovery:///greeter"), grpc.WithDiscovery(r))
//
// With layout Kratos the nodes are those of go-kratos' own contrib/registry/zookeeper,
// so that applications with the one and with the other find each other. Unlike
// that one's, a registration does not come back after it has been removed, and a
// watch that fails does not spin.
//
// It is a module of its own, so that who does not use go-kratos does not depend on
// it.
package kratos
