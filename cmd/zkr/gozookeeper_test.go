//go:build unix

package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-zookeeper/zk"
)

// goZookeeperMain is gozk, a program that elects a master with go-zookeeper alone: by
// one ephemeral node, which the other candidates watch.
func goZookeeperMain() {
	conn, _, err := zk.Connect([]string{os.Getenv("ZK_SERVERS")}, 10*time.Second, zk.WithLogInfo(false))
	if err != nil {
		panic(err)
	}
	const root, master = "/ElectMasterDemo", "/ElectMasterDemo/master"
	if _, err := conn.Create(root, nil, 0, zk.WorldACL(zk.PermAll)); err != nil && !errors.Is(err, zk.ErrNodeExists) {
		panic(err)
	}
	for {
		_, err := conn.Create(master, []byte("gozk"), zk.FlagEphemeral, zk.WorldACL(zk.PermAll))
		if err == nil {
			fmt.Println("gozk is master")
			select {}
		}
		if !errors.Is(err, zk.ErrNodeExists) {
			panic(err)
		}
		exists, _, gone, err := conn.ExistsW(master)
		if err != nil {
			panic(err)
		}
		if exists {
			fmt.Println("gozk waits")
			<-gone
		}
	}
}
