package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/fourletter"
	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/inspect"
	"github.com/zkrecipes/zkrecipes/session"
)

// servers asks each server of the connect string for its connections: by the four-letter
// word cons, or its admin server.
type servers struct {
	app       *app
	addrs     []string
	adminPort string

	mu     sync.Mutex
	probes map[string]*session.Session // by address; their last reply shows the server's clock
}

// askTimeout bounds each question to a server.
const askTimeout = 2 * time.Second

func (c *client) newServers() *servers {
	addrs, _, _ := session.ParseConnect(c.server) // the session has parsed it without an error
	return &servers{app: c.app, addrs: addrs, adminPort: defaultAdminPort, probes: make(map[string]*session.Session)}
}

// close closes the probes.
func (s *servers) close(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all sync.WaitGroup
	for _, p := range s.probes {
		all.Go(func() { s.app.closeSession(ctx, p) })
	}
	all.Wait()
}

// serverAnswer is what one server knows.
type serverAnswer struct {
	ok       bool
	id       string // of the server
	ensemble int    // how many servers the ensemble has; 0 if unknown
	conns    []connection
}

// connection is one connection of a server that has a session.
type connection struct {
	client  string
	session int64
	timeout time.Duration
	last    int64 // the time of the last reply, in milliseconds, by a clock of the server
}

// sessions asks all servers.
func (s *servers) sessions(ctx context.Context) inspect.Sessions {
	answers := make([]serverAnswer, len(s.addrs))
	var all sync.WaitGroup
	for i, addr := range s.addrs {
		all.Go(func() { answers[i] = s.ask(ctx, addr) })
	}
	all.Wait()
	var known inspect.Sessions
	ids := make(map[string]bool)
	ensemble := 0
	for _, a := range answers {
		if !a.ok {
			continue
		}
		ids[a.id] = true
		ensemble = max(ensemble, a.ensemble)
		known.Add(a.states())
	}
	known.Complete = ensemble > 0 && len(ids) >= ensemble
	return known
}

// states returns the sessions. The latest reply of the server to any of them, at least
// that to the probe, shows how late it is by the server's clock.
func (a serverAnswer) states() map[int64]inspect.SessionState {
	now := int64(0)
	for _, c := range a.conns {
		now = max(now, c.last)
	}
	states := make(map[int64]inspect.SessionState)
	for _, c := range a.conns {
		states[c.session] = inspect.SessionState{Client: c.client, Timeout: c.timeout, Silence: time.Duration(now-c.last) * time.Millisecond}
	}
	return states
}

// ask asks one server.
func (s *servers) ask(ctx context.Context, addr string) serverAnswer {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	conf, err := s.word(ctx, addr, "conf")
	if err == nil && strings.Contains(conf, "clientPort=") {
		s.probe(ctx, addr)
		cons, err := s.word(ctx, addr, "cons")
		if err != nil {
			return serverAnswer{}
		}
		id, ensemble := parseConf(conf)
		return serverAnswer{true, id, ensemble, parseCons(cons)}
	}
	return s.askAdmin(ctx, addr)
}

// probe makes the server reply to a session of zkr, if it does so soon.
func (s *servers) probe(ctx context.Context, addr string) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout/2)
	defer cancel()
	s.mu.Lock()
	p := s.probes[addr]
	s.mu.Unlock()
	if p == nil {
		opts, err := s.app.sessionOptions()
		if err != nil {
			return
		}
		if p, err = session.Connect(ctx, addr, opts...); err != nil {
			return
		}
		s.mu.Lock()
		s.probes[addr] = p
		s.mu.Unlock()
	}
	p.Exists(ctx, "/") // its answer does not matter
}

// word sends a four-letter word and returns the answer.
func (s *servers) word(ctx context.Context, addr, word string) (string, error) {
	conf, err := s.app.tls.config()
	if err != nil {
		return "", err
	}
	var d interface {
		DialContext(ctx context.Context, network, addr string) (net.Conn, error)
	} = &net.Dialer{}
	if conf != nil {
		d = &tls.Dialer{Config: conf}
	}
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	return fourletter.Ask(ctx, nc, word)
}

var (
	consSession = regexp.MustCompile(`(?m)^ ?/(\S+?)\[\d+\]\(.*\bsid=0x([0-9a-f]+),.*\bto=(\d+),.*\blresp=(\d+),`)
	confServer  = regexp.MustCompile(`(?m)^server\.\d+=`)
	confID      = regexp.MustCompile(`(?m)^serverId=(\d+)`)
)

// parseConf returns the server's id and the size of its ensemble.
func parseConf(text string) (id string, ensemble int) {
	if m := confID.FindStringSubmatch(text); m != nil {
		id = m[1]
	}
	return id, max(1, len(confServer.FindAllString(text, -1)))
}

// parseCons returns the connections that have a session.
func parseCons(text string) (cs []connection) {
	for _, m := range consSession.FindAllStringSubmatch(text, -1) {
		id, err := strconv.ParseUint(m[2], 16, 64)
		if err != nil || id == 0 {
			continue
		}
		timeout, _ := strconv.Atoi(m[3])
		last, _ := strconv.ParseInt(m[4], 10, 64)
		cs = append(cs, connection{m[1], int64(id), time.Duration(timeout) * time.Millisecond, last})
	}
	return cs
}

// defaultAdminPort is the port of the admin server unless admin.serverPort is set.
const defaultAdminPort = "8080"

// askAdmin asks the admin server. It does not tell how many servers the ensemble has.
func (s *servers) askAdmin(ctx context.Context, addr string) serverAnswer {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return serverAnswer{}
	}
	var conf struct {
		ServerID   int `json:"server_id"`
		ClientPort int `json:"client_port"`
	}
	if s.adminCommand(ctx, host, "configuration", &conf) != nil || strconv.Itoa(conf.ClientPort) != port {
		return serverAnswer{} // nothing answers, or it is another server on the same host
	}
	s.probe(ctx, addr)
	type adminConnection struct {
		Client  string `json:"remote_socket_address"`
		Session int64  `json:"session_id"`
		Timeout int64  `json:"session_timeout"`
		Last    int64  `json:"last_response_time"`
	}
	var cons struct {
		Plain  []adminConnection `json:"connections"`
		Secure []adminConnection `json:"secure_connections"`
	}
	if s.adminCommand(ctx, host, "connections", &cons) != nil {
		return serverAnswer{}
	}
	a := serverAnswer{ok: true, id: strconv.Itoa(conf.ServerID)}
	for _, c := range append(cons.Plain, cons.Secure...) {
		if c.Session != 0 {
			a.conns = append(a.conns, connection{c.Client, c.Session, time.Duration(c.Timeout) * time.Millisecond, c.Last})
		}
	}
	return a
}

func (s *servers) adminCommand(ctx context.Context, host, command string, answer any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+net.JoinHostPort(host, s.adminPort)+"/commands/"+command, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	const maxAnswer = 64 << 20
	return json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(answer)
}
