package zktest_test

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest"
)

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		s, err := zktest.Start()
		if err != nil {
			b.Fatal(err)
		}
		s.Addr()
		s.Close()
	}
}

func BenchmarkServer(b *testing.B) {
	s := zktest.New(b)
	workloads(b, s.Addr())
}

// workloads runs the benchmarks with which servers are compared: clients that pipeline
// requests, and one that waits for each reply.
func workloads(b *testing.B, addr string) {
	c, _, err := zk.Connect([]string{addr}, 10*time.Second, zk.WithLogger(quiet{}), zk.WithLogInfo(false))
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	c.Create("/bench", make([]byte, 100), 0, open)
	b.Run("reads/pipelined", func(b *testing.B) {
		pipelined(b, addr, func(int) (wire.Op, wire.Record) { return wire.OpGetData, &wire.PathWatch{Path: "/bench"} })
	})
	b.Run("writes/pipelined", func(b *testing.B) {
		data := make([]byte, 100)
		pipelined(b, addr, func(int) (wire.Op, wire.Record) {
			return wire.OpSetData, &wire.SetDataRequest{Path: "/bench", Data: data, Version: -1}
		})
	})
	b.Run("creates/pipelined", func(b *testing.B) {
		root, err := c.Create("/bench/n-", nil, zk.FlagSequence, open)
		if err != nil {
			b.Fatal(err)
		}
		pipelined(b, addr, func(int) (wire.Op, wire.Record) {
			return wire.OpCreate, &wire.CreateRequest{Path: root + "/n-", ACL: world, Flags: wire.FlagSequential}
		})
	})
	b.Run("reads/waiting", func(b *testing.B) {
		for b.Loop() {
			if _, _, err := c.Get("/bench"); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("writes/waiting", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.Set("/bench", nil, -1); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// pipelined sends b.N requests over four connections, with up to 500 in flight on each.
func pipelined(b *testing.B, addr string, request func(int) (wire.Op, wire.Record)) {
	const conns, window = 4, 500
	var wg sync.WaitGroup
	b.ResetTimer()
	for k := range conns {
		n := (b.N + k) / conns
		wg.Go(func() {
			if err := pipeline(addr, n, window, request); err != nil {
				b.Error(err)
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
}

func pipeline(addr string, n, window int, request func(int) (wire.Op, wire.Record)) error {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer nc.Close()
	r, w := bufio.NewReaderSize(nc, 1<<16), bufio.NewWriterSize(nc, 1<<15)
	frame := func() ([]byte, error) {
		var head [4]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return nil, err
		}
		body := make([]byte, binary.BigEndian.Uint32(head[:]))
		_, err := io.ReadFull(r, body)
		return body, err
	}
	w.Write(wire.Frame(&wire.ConnectRequest{Timeout: 30000, Passwd: make([]byte, 16)}))
	w.Flush()
	if _, err := frame(); err != nil {
		return err
	}
	tokens := make(chan struct{}, window)
	go func() {
		for i := range n {
			select {
			case tokens <- struct{}{}:
			default:
				w.Flush()
				tokens <- struct{}{}
			}
			op, body := request(i)
			w.Write(wire.Frame(&wire.RequestHeader{Xid: int32(i + 1), Op: op}, body))
		}
		w.Flush()
	}()
	for i := range n {
		b, err := frame()
		if err != nil {
			return err
		}
		var hdr wire.ReplyHeader
		if err := wire.Unmarshal(b, &hdr); err != nil || hdr.Err != wire.OK || hdr.Xid != int32(i+1) {
			return fmt.Errorf("reply %+v: %w", hdr, err)
		}
		<-tokens
	}
	return nil
}
