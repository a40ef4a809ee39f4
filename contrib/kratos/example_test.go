package kratos_test

import (
	"context"
	"fmt"
	stdlog "log"

	kratosv2 "github.com/go-kratos/kratos/v2"
	"github.com/go-kratos/kratos/v2/transport/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"

	"github.com/zkrecipes/zkrecipes/contrib/kratos"
	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func Example() {
	zk, err := zktest.Start() // a ZooKeeper to try things with
	if err != nil {
		stdlog.Fatal(err)
	}
	defer zk.Close()
	ctx := context.Background()
	s, err := session.Connect(ctx, zk.Addr()) // "zk1:2181,zk2:2181,zk3:2181"
	if err != nil {
		stdlog.Fatal(err)
	}
	defer s.Close(ctx)
	r := kratos.New(registry.New(s, "", registry.WithLayout(registry.Kratos))) // at /microservices

	ended := make(chan error)
	app := kratosv2.New(kratosv2.Name("greeter"), kratosv2.Server(grpc.NewServer(grpc.Address("127.0.0.1:0"))), kratosv2.Registrar(r))
	go func() { ended <- app.Run() }()

	conn, err := grpc.DialInsecure(ctx, grpc.WithEndpoint("discovery:///greeter"), grpc.WithDiscovery(r), grpc.WithPrintDiscoveryDebugLog(false))
	if err != nil {
		stdlog.Fatal(err)
	}
	answer, err := grpc_health_v1.NewHealthClient(conn).Check(ctx, &grpc_health_v1.HealthCheckRequest{})
	if err != nil {
		stdlog.Fatal(err)
	}
	fmt.Println(answer.Status)

	conn.Close()
	if err := app.Stop(); err != nil {
		stdlog.Fatal(err)
	}
	fmt.Println(<-ended)
	left, err := r.GetService(ctx, "greeter")
	fmt.Println(len(left), err)
	// Output:
	// SERVING
	// <nil>
	// 0 <nil>
}
