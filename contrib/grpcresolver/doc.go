// Package grpcresolver lets gRPC clients find servers in a registry of package
// registry: it resolves targets of the form zk:///SERVICE.
//
//	r := registry.New(s, "/services")
//	conn, err := grpc.NewClient("zk:///greeter", grpc.WithResolvers(grpcresolver.NewBuilder(r)),
//		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`), ...)
//
// An instance that comes, goes, moves or is disabled is one notification away. While
// the ensemble cannot be reached, calls go to the servers that were known last.
//
// It is a module of its own, so that who does not use gRPC does not depend on it.
package grpcresolver
