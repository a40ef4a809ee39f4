package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/session"
)

// errorJSON is the form of an error with --json, an object on stderr.
type errorJSON struct {
	Error string `json:"error"`
	Code  int    `json:"code"`
	Path  string `json:"path,omitempty"`
}

// printError prints an error on stderr, with the exit code if it is an exitError.
func (a *app) printError(err error) {
	code := exitNo
	var exitErr *exitError
	if errors.As(err, &exitErr) {
		code = exitErr.code
	}
	t := newErrorText(err)
	if a.json {
		if data, err := json.Marshal(errorJSON{t.reason, code, t.path}); err == nil {
			a.stderr.Write(append(data, '\n'))
		}
		return
	}
	fmt.Fprintf(a.stderr, "zkr: %s\n", sentence(t.String(), a.nextStep(err)))
}

// errorText is an error for people: without the names of packages and operations, and
// with the path once.
type errorText struct {
	path   string // "" if there is none, or if the reason names it
	reason string
}

func (t errorText) String() string {
	if t.path == "" {
		return t.reason
	}
	return t.path + ": " + t.reason
}

// packagePrefix matches the names of packages before a reason, and the text of
// session.ErrInvalid.
var packagePrefix = regexp.MustCompile(`(^|: )(?:(?:session|lock|election|barrier|queue|config|naming|membership|registry|tasks|codec): )+(?:invalid argument: )?`)

func newErrorText(err error) errorText {
	var failed *session.OpError
	if !errors.As(err, &failed) {
		return errorText{reason: packagePrefix.ReplaceAllString(err.Error(), "$1")}
	}
	t := textOfOperation(failed)
	if whole, operation := err.Error(), failed.Error(); whole != operation {
		if before, after, found := strings.Cut(whole, operation); found {
			return errorText{reason: packagePrefix.ReplaceAllString(before, "$1") + strings.TrimPrefix(t.String(), before) + after}
		}
		return errorText{reason: packagePrefix.ReplaceAllString(whole, "$1")}
	}
	return t
}

// atPath returns err as an error of the node at path.
func atPath(path string, err error) error { return &session.OpError{Path: path, Err: err} }

func textOfOperation(failed *session.OpError) errorText {
	if failed.Op == "connect" {
		return errorText{reason: textOfConnect(failed)}
	}
	inner := newErrorText(failed.Err)
	t := errorText{failed.Path, strings.TrimPrefix(inner.reason, failed.Path+": ")}
	var cause *session.OpError
	if errors.As(failed.Err, &cause) && strings.HasPrefix(cause.Path, failed.Path) {
		t.reason = strings.Replace(t.reason, cause.Path+": ", "", 1) // a node of the recipe
	}
	if inner.path != "" && inner.path != failed.Path && !errors.Is(failed, session.ErrNoAuth) {
		t.path = inner.path // a node of the recipe
	}
	if strings.HasPrefix(t.reason, "path \""+t.path+"\" ") {
		t.path = ""
	}
	return t
}

func textOfConnect(failed *session.OpError) string {
	if errors.Is(failed, session.ErrInvalid) || isAny(failed, session.ErrNoAuth, session.ErrAuthFailed) {
		return failed.Path + ": " + packagePrefix.ReplaceAllString(failed.Err.Error(), "$1")
	}
	reason := packagePrefix.ReplaceAllString(failed.Err.Error(), "$1")
	if before, failures, found := strings.Cut(reason, " ("); found && strings.HasPrefix(before, "no session within") {
		failures = strings.TrimSuffix(failures, ")")
		if servers, _, _ := strings.Cut(failed.Path, "/"); !strings.Contains(servers, ",") {
			failures = strings.TrimPrefix(failures, servers+": ") // the path names it
		}
		reason = failures
	}
	return "no server at " + failed.Path + ": " + reason
}

// nextStep returns what can be done about an error, or "".
func (a *app) nextStep(err error) string {
	var failed *session.OpError
	isOp := errors.As(err, &failed)
	switch {
	case isAny(err, session.ErrNoAuth, session.ErrAuthFailed):
		scheme, _, given := strings.Cut(a.auth+os.Getenv("ZKR_AUTH"), ":")
		if given {
			return fmt.Sprintf("The credentials of scheme %s do not give this right", scheme)
		}
		return "Give credentials with --auth, for example --auth digest:USER:PASSWORD"
	case isOp && failed.Op == "connect" && !errors.Is(err, session.ErrInvalid):
		if isLoopback(failed.Path) {
			return `Is ZooKeeper running? "zkr dev" starts one for trying out`
		}
		return "Are these the servers? --server or $ZK_SERVERS names them"
	}
	return ""
}

// isLoopback reports whether all servers of a connect string are on this host.
func isLoopback(connect string) bool {
	servers, _, _ := strings.Cut(connect, "/")
	for server := range strings.SplitSeq(servers, ",") {
		host, _, err := net.SplitHostPort(server)
		if err != nil {
			host = server
		}
		if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
			return false
		}
	}
	return true
}

// sentence appends a next step to an error.
func sentence(text, next string) string {
	if next == "" {
		return text
	}
	return strings.TrimSuffix(text, ".") + ". " + next + "."
}

// seeHelp appends to a usage error where the usage is described.
func seeHelp(cmd *cobra.Command, err error) error {
	return fmt.Errorf("%w; see %q", err, cmd.CommandPath()+" --help")
}
