// Package kratos lets go-kratos applications register themselves in ZooKeeper and find
// each other. Its Registry implements go-kratos' Registrar and Discovery.
//
//	r := kratos.New(registry.New(s, "", registry.WithLayout(registry.Kratos)))
//	app := kratosv2.New(kratosv2.Name("greeter"), kratosv2.Server(...), kratosv2.Registrar(r))
//	...
//	conn, err := grpc.DialInsecure(ctx, grpc.WithEndpoint("discovery:///greeter"), grpc.WithDiscovery(r))
//
// With layout Kratos the nodes are those of go-kratos' contrib/registry/zookeeper, so
// that applications with either package find each other. Unlike with that package, a
// registration is not created again after Deregister, and a failing watch does not
// spin.
//
// The package is a separate module, so that programs without go-kratos do not depend
// on it.
package kratos
