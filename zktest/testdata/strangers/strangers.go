// Package strangers keeps in its go.mod what the interop tests of zktest run.
package strangers

import (
	_ "github.com/go-kit/kit/sd/zk"
	_ "github.com/go-zookeeper/zk"
)
