// Package grpcresolver lets gRPC clients find servers in a registry of package
// registry. It resolves targets of the form zk:///SERVICE.
//
//	r := registry.New(s, "/services")
//	conn, err := grpc.NewClient("zk:///greeter", grpc.WithResolvers(grpcresolver.NewBuilder(r)),
//		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig": [{"round_robin": {}}]}`), ...)
//
// gRPC is notified when an instance appears, disappears (also at the end of its
// ZooKeeper session), changes its address or is disabled. While the ensemble cannot be
// reached, calls use the servers that were known last.
//
// The package is a separate module, so that programs without gRPC do not depend on it.
package grpcresolver
