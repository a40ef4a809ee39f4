package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/inspect"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// The answers of a real server, 3.9.5, to cons and conf.
const (
	realCons = ` /127.0.0.1:52886[1](queued=0,recved=3033,sent=3034,sid=0x1000414df420002,lop=MULT,est=1795913669838,to=10000,lcxid=0x0,lzxid=0x1000089c6,lresp=70693104,llat=104,minlat=0,avglat=44,maxlat=1662)
 /[0:0:0:0:0:0:0:1]:52928[1](queued=0,recved=402,sent=402,sid=0xf000414df420008,lop=PING,est=1795913672491,to=30000,lcxid=0x0,lzxid=0x1000089a0,lresp=70691261,llat=0,minlat=0,avglat=10,maxlat=586)
 /127.0.0.1:33028[0](queued=0,recved=1,sent=0)

`
	realConf = `clientPort=14200
tickTime=2000
serverId=1
initLimit=10
membership: 
server.1=127.0.0.1:14907:15907:participant
server.2=127.0.0.1:14908:15908:participant
server.3=127.0.0.1:14909:15909:participant
version=0`
)

func TestParseAnswers(t *testing.T) {
	want := []connection{
		{"127.0.0.1:52886", 0x1000414df420002, 10 * time.Second, 70693104},
		{"[0:0:0:0:0:0:0:1]:52928", 0xf000414df420008, 30 * time.Second, 70691261},
	}
	if got := parseCons(realCons); !slices.Equal(got, want) {
		t.Errorf("cons: %+v", got)
	}
	if id, n := parseConf(realConf); id != "1" || n != 3 {
		t.Errorf("conf: server %s of %d", id, n)
	}
	if id, n := parseConf("clientPort=2181\nserverId=0\n"); id != "0" || n != 1 {
		t.Errorf("conf of a single server: server %s of %d", id, n)
	}
}

func newTestServers(t *testing.T, connect string) *servers {
	s := (&client{app: &app{server: connect, timeout: 10 * time.Second, maxBuffer: 1<<20 - 1, stderr: newStatusLine(io.Discard)}}).newServers()
	t.Cleanup(func() { s.close(context.Background()) })
	return s
}

// The server's clock is that of its latest reply, which the probe causes.
func TestSessionsOfServer(t *testing.T) {
	srv := zktest.New(t)
	mine := srv.Session(t)
	s := newTestServers(t, srv.Addr()+"/chroot")
	known := s.sessions(t.Context())
	st, ok := known.ByID[mine.Status().ID]
	if !known.Complete || !ok || st.Timeout != mine.Timeout() || len(known.ByID) != 2 {
		t.Errorf("%+v", known)
	}
	answer := serverAnswer{conns: []connection{{session: 1, timeout: time.Minute, last: 1000}, {session: 2, timeout: time.Minute, last: 41000}}}
	if got := answer.states()[1].Silence; got != 40*time.Second {
		t.Errorf("silent for %v", got)
	}
}

// Without all servers of the ensemble, it is not known whether a session is connected.
func TestSessionsIncomplete(t *testing.T) {
	srv := zktest.New(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0") // a server of three that answers words
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				word := make([]byte, 4)
				if _, err := io.ReadFull(c, word); err != nil {
					return
				}
				io.WriteString(c, map[string]string{"conf": realConf, "cons": realCons}[string(word)])
			}()
		}
	}()
	known := newTestServers(t, srv.Addr()+","+ln.Addr().String()).sessions(t.Context())
	if _, ok := known.ByID[0x1000414df420002]; known.Complete || !ok {
		t.Errorf("%+v", known)
	}
	refusing := newTestServers(t, "127.0.0.1:1").sessions(t.Context())
	if refusing.Complete || len(refusing.ByID) != 0 {
		t.Errorf("%+v", refusing)
	}
}

// If the words are not allowed, the admin server is asked.
func TestAdminServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "conf is not executed because it is not in the whitelist.\n")
			c.Close()
		}
	}()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/commands/configuration":
			io.WriteString(w, `{"client_port":`+port+`,"server_id":2,"tick_time":2000,"command":"configuration","error":null}`)
		case "/commands/connections":
			io.WriteString(w, `{"connections":[{"remote_socket_address":"127.0.0.1:5000","session_id":72057594037927936,"session_timeout":10000,"last_response_time":1000},
				{"remote_socket_address":"127.0.0.1:5001","session_id":0,"session_timeout":0,"last_response_time":0}],
				"secure_connections":[{"remote_socket_address":"127.0.0.1:5002","session_id":72057594037927937,"session_timeout":10000,"last_response_time":9000}],"error":null}`)
		}
	}))
	defer admin.Close()
	s := newTestServers(t, ln.Addr().String())
	_, s.adminPort, _ = net.SplitHostPort(strings.TrimPrefix(admin.URL, "http://"))
	known := s.sessions(t.Context())
	want := inspect.SessionState{Client: "127.0.0.1:5000", Timeout: 10 * time.Second, Silence: 8 * time.Second}
	if got := known.ByID[0x100000000000000]; known.Complete || got != want || len(known.ByID) != 2 {
		t.Errorf("%+v", known)
	}
}
