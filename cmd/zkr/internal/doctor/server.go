package doctor

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/fourletter"
	"github.com/zkrecipes/zkrecipes/session"
)

// The number of requests that a latency is computed from, and the part of the connect timeout
// that they may take.
const (
	latencySamples = 100
	latencyPart    = 10
)

// connectAttempts is how often a session is tried before the reason is reported.
const connectAttempts = 3

// errTimeout is the reason if a server does not answer.
var errTimeout = errors.New("no answer in time")

// An examination is the work on one server. Its goroutines write to separate fields.
type examination struct {
	*Server
	cfg  *Config
	addr string // of Addresses, to which words and probes are sent

	facts     map[string]string // as mntr names them
	settings  map[string]string // as conf names them
	lookupErr error
	dialErr   error // why no address accepts connections
	srvrErr   error
	mntrErr   error
	adminErr  error
	session   sessionResult
	exact     *Limit // jute.maxbuffer from the admin server
}

// sessionResult is what was learned over a session.
type sessionResult struct {
	err      error // of connecting
	readErr  error
	writeErr error
	clockErr error
	probeErr error
}

// examineServer examines one server, within the connect timeout.
func examineServer(ctx context.Context, cfg *Config, server string) *Server {
	ctx, cancel := context.WithTimeoutCause(ctx, cfg.ConnectTimeout, errTimeout)
	defer cancel()
	none := Abilities{Unknown, Unknown, Unknown, Unknown, Unknown}
	x := &examination{
		Server: &Server{Kind: "server", Server: server, Addresses: []Address{}, Supports: none, Unknown: Unknowns{}, Findings: []Finding{}, synced: -1},
		cfg:    cfg, facts: map[string]string{}, settings: map[string]string{},
	}
	if x.reach(ctx) {
		x.ask(ctx)
	}
	x.conclude()
	return x.Server
}

// reach looks the server's name up and asks each address for srvr, all at the same time. It
// reports whether an address accepts connections.
func (x *examination) reach(ctx context.Context) bool {
	addrs := []string{x.Server.Server}
	if x.cfg.Dial == nil {
		host, port, _ := net.SplitHostPort(x.Server.Server)
		ips, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil {
			x.lookupErr = ended(ctx, err)
			return false
		}
		slices.Sort(ips)
		addrs = addrs[:0]
		for _, ip := range slices.Compact(ips) {
			addrs = append(addrs, net.JoinHostPort(ip, port))
		}
	}
	// An address that does not answer must leave time for a session on another one.
	ctx, cancel := context.WithTimeoutCause(ctx, x.cfg.ConnectTimeout/3, errTimeout)
	defer cancel()
	answers, errs := make([]string, len(addrs)), make([]error, len(addrs))
	x.Addresses = make([]Address, len(addrs))
	var all sync.WaitGroup
	for i, addr := range addrs {
		x.Addresses[i].Address = addr
		all.Go(func() {
			answers[i], x.Addresses[i].Connected, errs[i] = x.cfg.sendWord(ctx, x.Server.Server, addr, "srvr")
		})
	}
	all.Wait()
	for i := range addrs {
		a := &x.Addresses[i]
		var failed *tlsError
		if errors.As(errs[i], &failed) {
			a.Connected = false
		}
		switch {
		case !a.Connected:
			a.Error = reason(errs[i])
			x.dialErr = errs[i]
		case x.addr == "" || errs[i] == nil && x.srvrErr != nil:
			x.addr, x.srvrErr = a.Address, errs[i]
			x.facts = parseSrvr(answers[i])
		}
	}
	return x.addr != ""
}

// ask asks the server for everything, in three parts at the same time: with four-letter words,
// over the admin server, and over sessions.
func (x *examination) ask(ctx context.Context) {
	var mntr, conf, admin map[string]string
	var members []string
	var all sync.WaitGroup
	all.Go(func() {
		answer, _, err := x.cfg.sendWord(ctx, x.Server.Server, x.addr, "mntr")
		mntr, x.mntrErr = parseMntr(answer), err
	})
	all.Go(func() {
		answer, _, err := x.cfg.sendWord(ctx, x.Server.Server, x.addr, "conf")
		if err == nil {
			conf, members = parseConf(answer)
		}
	})
	adminConf := make(map[string]string)
	all.Go(func() { admin, adminConf = x.askAdmin(ctx) })
	if !errors.Is(x.srvrErr, fourletter.ErrNotServing) {
		x.askSession(ctx)
	}
	all.Wait()
	for _, more := range []map[string]string{admin, mntr} {
		for name, value := range more {
			x.facts[name] = value
		}
	}
	for _, more := range []map[string]string{adminConf, conf} {
		for name, value := range more {
			x.settings[name] = value
		}
	}
	if len(x.members) == 0 {
		x.members = members
	}
	if x.MaxBuffer == nil || x.exact != nil {
		x.MaxBuffer = x.exact
	}
}

// askAdmin returns the facts and settings of the admin server.
func (x *examination) askAdmin(ctx context.Context) (facts, settings map[string]string) {
	if x.cfg.AdminPort == 0 {
		x.adminErr = errors.New("not asked")
		return nil, nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, x.cfg.ConnectTimeout/3, errTimeout)
	defer cancel()
	a := newAdmin(x.cfg.adminAddress(x.addr))
	if settings, x.adminErr = a.settings(ctx, x.addr); x.adminErr != nil {
		return nil, nil
	}
	facts, x.adminErr = a.get(ctx, "monitor")
	x.exact, _ = a.maxBuffer(ctx)
	return facts, settings
}

// askSession opens a session and measures with it, and then probes what the server supports.
func (x *examination) askSession(ctx context.Context) {
	s, err := x.connect(ctx)
	if err != nil {
		x.session.err = err
		return
	}
	defer func() {
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), x.cfg.CloseTimeout)
		defer cancel()
		s.Close(closing) // otherwise the servers end the session after its timeout
	}()
	x.Timeout, x.maxStopTime = Duration(s.Timeout()), s.MaxStopTime()
	x.RoundTrip, x.session.readErr = x.measure(ctx, func(ctx context.Context) error {
		_, _, err := s.Exists(ctx, "/")
		return err
	})
	if x.session.readErr != nil {
		return
	}
	x.Serving = true
	x.readMembers(ctx, s)
	x.Write, x.session.writeErr = x.measure(ctx, func(ctx context.Context) error { return emptyWrite(ctx, s) })
	if x.session.writeErr == nil {
		x.Clock, x.session.clockErr = x.clock(ctx, s)
		x.probe(ctx)
	}
}

// connect opens a session on this server only. The reason is returned after some attempts.
// If ctx is done meanwhile, connect waits a moment for the reply of the server, without which
// the session could not be closed.
func (x *examination) connect(ctx context.Context) (*session.Session, error) {
	patient, cancel := lingering(ctx, x.cfg.CloseTimeout)
	defer cancel()
	patient, giveUp := context.WithCancelCause(patient)
	defer giveUp(nil)
	failures := 0
	opts := append(slices.Clone(x.cfg.Options),
		session.WithTimeout(x.cfg.Timeout), session.WithConnectTimeout(x.cfg.ConnectTimeout), session.WithMaxBuffer(x.cfg.MaxBuffer),
		session.WithReceipts(""), session.WithHooks(session.Hooks{State: func(st session.Status) {
			if st.State != session.Connecting && st.State != session.Suspended || st.Err == nil {
				return
			}
			if failures++; failures >= connectAttempts {
				giveUp(st.Err)
			}
		}}))
	if x.cfg.Dial != nil {
		opts = append(opts, session.WithDialer(x.cfg.Dial))
	}
	s, err := session.Connect(patient, x.Server.Server, opts...)
	if err != nil {
		if cause := context.Cause(patient); cause != nil && errors.Is(err, cause) {
			err = cause // without the connect string, and the failures that it wraps
		}
		return nil, err
	}
	return s, nil
}

// measure calls f repeatedly, one call after the other, and returns how long the calls took.
// The error is that of a call.
func (x *examination) measure(ctx context.Context, f func(context.Context) error) (*Latency, error) {
	budget := x.cfg.ConnectTimeout / latencyPart
	began := time.Now()
	var samples []time.Duration
	for len(samples) < latencySamples && (len(samples) == 0 || time.Since(began) < budget) {
		sent := time.Now()
		err := within(ctx, f)
		if err != nil {
			return newLatency(samples), err
		}
		samples = append(samples, time.Since(sent))
	}
	return newLatency(samples), nil
}

// within calls f with half of the time that is left, so that other questions can follow.
func within(ctx context.Context, f func(context.Context) error) error {
	deadline, _ := ctx.Deadline()
	half := time.Until(deadline) / 2
	ctx, cancel := context.WithTimeoutCause(ctx, half, errTimeout)
	defer cancel()
	return f(ctx)
}

// emptyWrite commits a transaction that changes nothing. A refusal passes through the quorum
// as well.
func emptyWrite(ctx context.Context, s *session.Session) error {
	_, err := s.Txn(ctx, session.OpCheck("/", session.AnyVersion))
	if errors.Is(err, session.ErrUnsupported) { // creates a node below one that does not exist
		_, _, err = s.Create(ctx, "/zkr-doctor-"+session.GUID()+"/n", nil)
		if errors.Is(err, session.ErrNoNode) {
			return nil
		}
	}
	if errors.Is(err, session.ErrNoAuth) && !errors.Is(err, session.ErrUnknown) {
		return nil
	}
	return err
}

// readMembers reads the configuration of the ensemble, which servers since 3.5 keep in a
// node.
func (x *examination) readMembers(ctx context.Context, s *session.Session) {
	var data []byte
	err := within(ctx, func(ctx context.Context) (err error) {
		data, _, err = s.Get(ctx, "/zookeeper/config")
		return err
	})
	if err != nil {
		return // conf may have them
	}
	x.members = parseMembers(string(data))
}

// clock compares the clock of the server with that of this machine, by the time of an
// ephemeral node, which it deletes.
func (x *examination) clock(ctx context.Context, s *session.Session) (*Clock, error) {
	name := "/zkr-doctor-" + session.GUID()
	paths := []string{name}
	if x.cfg.Chroot != "" {
		paths = []string{x.cfg.Chroot + name, name}
	}
	var err error
	for _, path := range paths {
		var st session.Stat
		var sent, received time.Time
		err = within(ctx, func(ctx context.Context) error {
			sent = time.Now()
			_, created, err := s.Create(ctx, path, nil, session.Ephemeral(), session.Unique())
			received, st = time.Now(), created
			return err
		})
		if errors.Is(err, session.ErrNoAuth) || errors.Is(err, session.ErrNoNode) {
			continue
		}
		if err != nil {
			return nil, err
		}
		err = within(ctx, func(ctx context.Context) error {
			if st.Ctime.IsZero() { // from servers without create2
				var err error
				if st, _, err = s.Exists(ctx, path); err != nil {
					return err
				}
			}
			return s.Delete(ctx, path, session.AnyVersion)
		})
		if err != nil {
			return nil, err
		}
		half := received.Sub(sent) / 2
		return &Clock{
			Ahead:       Duration(st.Ctime.Sub(sent.Add(half))),
			Uncertainty: Duration(half + time.Millisecond), // the server's time has milliseconds
		}, nil
	}
	return nil, err
}

// probe asks for the abilities of the server and the size of its buffer.
func (x *examination) probe(ctx context.Context) {
	p, err := openProbe(ctx, x.cfg, x.Server.Server, x.addr)
	if err != nil {
		x.session.probeErr = err
		return
	}
	defer p.close(ctx)
	x.Supports = p.abilities(ctx)
	x.MaxBuffer, x.session.probeErr = p.maxBuffer(ctx)
}

// reason returns the essential part of an error of the network.
func reason(err error) string {
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns):
		return "lookup: " + dns.Err
	case errors.As(err, &op):
		text := op.Err.Error()
		return strings.TrimPrefix(text, "connect: ")
	case errors.Is(err, io.EOF):
		return "the server closes the connection"
	case err == nil:
		return ""
	}
	return err.Error()
}
