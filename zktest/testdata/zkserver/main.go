// Command zkserver stands in for ZooKeeper's zkServer.sh: it takes its arguments,
// "start-foreground" and the path of a zoo.cfg, and listens at the client port
// that it finds there. The server itself is in the test that $ZKSERVER leads to,
// and so survives when this process is killed, as the data of a real one does.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
)

func main() {
	fmt.Fprintln(os.Stderr, "zkserver:", run(os.Args[1:]))
	os.Exit(1)
}

// run does not return but for an error.
func run(args []string) error {
	if len(args) != 2 || args[0] != "start-foreground" {
		return fmt.Errorf("usage: zkserver start-foreground CONFIG, not %q", args)
	}
	config, err := settings(args[1])
	if err != nil {
		return err
	}
	for flag := range strings.FieldsSeq(os.Getenv("SERVER_JVMFLAGS")) {
		if name, value, ok := strings.Cut(strings.TrimPrefix(flag, "-D"), "="); ok {
			config[name] = value
		}
	}
	test, err := net.Dial("tcp", os.Getenv("ZKSERVER")) // open as long as this process lives
	if err != nil {
		return err
	}
	if err := json.NewEncoder(test).Encode(config); err != nil {
		return err
	}
	var server string
	if err := json.NewDecoder(test).Decode(&server); err != nil {
		return err
	}
	return serve("127.0.0.1:"+config["clientPort"], server)
}

// settings reads a zoo.cfg.
func settings(file string) (map[string]string, error) {
	b, err := os.ReadFile(file)
	config := make(map[string]string)
	for line := range strings.Lines(string(b)) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		config[key] = value
	}
	return config, err
}

// serve passes connections on to the server.
func serve(addr, server string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer c.Close()
			if err := pass(c, server); err != nil {
				fmt.Fprintln(os.Stderr, "zkserver:", err)
			}
		}()
	}
}

// pass passes one connection on. The answer to srvr is dated as servers up to 3.5
// did it, which is what go-zookeeper can read.
func pass(c net.Conn, server string) error {
	to, err := net.Dial("tcp", server)
	if err != nil {
		return err
	}
	defer to.Close()
	head := make([]byte, 4)
	if _, err := io.ReadFull(c, head); err != nil {
		return nil // nothing was asked
	}
	if _, err := to.Write(head); err != nil {
		return err
	}
	if string(head) == "srvr" {
		answer, err := io.ReadAll(to)
		if err != nil {
			return err
		}
		first, rest, _ := strings.Cut(string(answer), "\n")
		version, _, _ := strings.Cut(first, ",")
		_, err = fmt.Fprintf(c, "%s, built on 01/01/2026 00:00 GMT\n%s", version, rest)
		return err
	}
	go func() {
		io.Copy(to, c)
		to.Close()
	}()
	io.Copy(c, to)
	return nil
}
