package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// app is shared by all commands: the global flags and the outputs.
type app struct {
	stdout *output
	stderr *statusLine

	server         string
	timeout        time.Duration
	connectTimeout time.Duration
	maxBuffer      int
	auth           string
	tls            tlsFiles
	json           bool
	quiet          bool
	verbose        bool

	replies atomic.Int64             // the number of replies from servers
	counter atomic.Pointer[progress] // counts the replies; nil if nothing shows them
}

// print prints a line on stdout: v as JSON with --json, and text otherwise.
func (a *app) print(text string, v any) error {
	line := []byte(text)
	if a.json {
		var err error
		if line, err = json.Marshal(v); err != nil {
			return err
		}
	}
	_, err := a.stdout.Write(append(line, '\n'))
	return err
}

// notice prints a message on stderr, unless -q is given.
func (a *app) notice(format string, args ...any) {
	if a.quiet {
		return
	}
	for i, arg := range args {
		if err, ok := arg.(error); ok {
			args[i] = newErrorText(err)
		}
	}
	fmt.Fprintf(a.stderr, "zkr: "+format+"\n", args...)
}

// connect makes a session, within --connect-timeout, with further options.
func (a *app) connect(ctx context.Context, more ...session.Option) (*session.Session, error) {
	opts, err := a.sessionOptions()
	if err != nil {
		return nil, err
	}
	opts = append(opts, more...)
	ctx, cancel := context.WithTimeoutCause(ctx, a.connectTimeout, fmt.Errorf("no session within %v", a.connectTimeout))
	defer cancel()
	stop := a.explain(ctx, waitExplanation{what: "a server at " + a.server})
	defer stop()
	return session.Connect(ctx, a.server, opts...)
}

// closeGrace bounds the wait for servers when nothing else is left to do.
const closeGrace = 800 * time.Millisecond

// closeSession closes the session.
func (a *app) closeSession(ctx context.Context, s *session.Session) {
	ctx, cancel := context.WithTimeout(ctx, closeGrace)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		a.notice("cannot close the session: %v; the servers end it within %v", err, s.Timeout())
	}
}

func (a *app) sessionOptions() ([]session.Option, error) {
	opts := []session.Option{session.WithTimeout(a.timeout), session.WithMaxBuffer(a.maxBuffer), session.WithHooks(session.Hooks{
		Blocked: func(err error) { a.notice("the wait cannot end: %v; zkr lock break removes it", err) },
		Request: func(r session.RequestInfo) {
			if r.Received > 0 {
				a.replies.Add(1)
				if p := a.counter.Load(); p != nil {
					p.Add(1)
				}
			}
		},
	})}
	scheme, cred, err := a.credential()
	if err != nil {
		return nil, err
	}
	if scheme != "" {
		opts = append(opts, session.WithAuth(scheme, cred))
	}
	conf, err := a.tls.config()
	if err != nil {
		return nil, err
	}
	if conf != nil {
		opts = append(opts, session.WithTLS(conf))
	}
	if a.verbose {
		opts = append(opts, session.WithLogger(slog.New(slog.NewTextHandler(a.stderr, nil))))
	}
	return opts, nil
}

// credential returns what to authenticate with. The scheme is empty without credentials.
func (a *app) credential() (scheme string, cred []byte, err error) {
	auth, from := a.auth, "--auth"
	if auth == "" {
		auth, from = os.Getenv("ZKR_AUTH"), "$ZKR_AUTH"
	}
	if auth == "" {
		return "", nil, nil
	}
	scheme, secret, ok := strings.Cut(auth, ":")
	if !ok || scheme == "" {
		return "", nil, usage("%s is not SCHEME:CRED", from) // not printed: it may be a secret
	}
	return scheme, []byte(secret), nil
}
