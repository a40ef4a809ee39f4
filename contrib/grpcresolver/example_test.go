package grpcresolver_test

import (
	"context"
	"fmt"
	"log"
	"net"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/zkrecipes/zkrecipes/contrib/grpcresolver"
	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// A service has two servers. When one is stopped, calls continue.
func Example() {
	zk, err := zktest.Start() // a ZooKeeper to try things with
	if err != nil {
		log.Fatal(err)
	}
	defer zk.Close()
	ctx := context.Background()
	s, err := session.Connect(ctx, zk.Addr()) // "zk1:2181,zk2:2181,zk3:2181"
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close(ctx)
	r := registry.New(s, "/services")

	start := func() *grpc.Server {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			log.Fatal(err)
		}
		server := grpc.NewServer()
		grpc_health_v1.RegisterHealthServer(server, health.NewServer())
		go server.Serve(l)
		if _, err := r.Register(ctx, registry.Instance{Service: "greeter", Addr: l.Addr().String()}); err != nil {
			log.Fatal(err)
		}
		return server
	}
	first, second := start(), start()
	defer second.Stop()

	conn, err := grpc.NewClient("zk:///greeter", grpc.WithResolvers(grpcresolver.NewBuilder(r)),
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(config))
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	client := grpc_health_v1.NewHealthClient(conn)
	for i := range 6 {
		if i == 3 {
			first.Stop()
		}
		answer, err := client.Check(ctx, &grpc_health_v1.HealthCheckRequest{})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(answer.Status)
	}
	// Output:
	// SERVING
	// SERVING
	// SERVING
	// SERVING
	// SERVING
	// SERVING
}
