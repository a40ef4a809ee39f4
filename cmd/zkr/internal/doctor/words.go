package doctor

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/fourletter"
)

// maxAnswer bounds the answer of an admin server.
const maxAnswer = 1 << 20

// sendWord sends a four-letter word to an address of a server and returns the answer.
// connected reports whether the address accepts connections.
func (cfg *Config) sendWord(ctx context.Context, server, addr, word string) (answer string, connected bool, err error) {
	nc, err := cfg.dial(ctx, server, addr)
	if err != nil {
		var failed *tlsError
		return "", errors.As(err, &failed), ended(ctx, err)
	}
	answer, err = fourletter.Ask(ctx, nc, word)
	return answer, true, err
}

// ended returns the cause of ctx if it is done, and err otherwise.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// parseSrvr returns the facts in an answer to srvr, named as those of mntr.
func parseSrvr(answer string) map[string]string {
	names := map[string]string{
		"Zookeeper version": "version", "ClickHouse Keeper version": "version", "Mode": "server_state",
		"Outstanding": "outstanding_requests", "Node count": "znode_count", "Connections": "num_alive_connections",
	}
	facts := make(map[string]string)
	for line := range strings.Lines(answer) {
		name, value, _ := strings.Cut(line, ":")
		if key := names[strings.TrimSpace(name)]; key != "" {
			facts[key] = strings.TrimSpace(value)
		}
	}
	return facts
}

// parseMntr returns the facts in an answer to mntr, without the prefix of their names.
func parseMntr(answer string) map[string]string {
	facts := make(map[string]string)
	for line := range strings.Lines(answer) {
		if name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "\t"); ok {
			facts[strings.TrimPrefix(name, "zk_")] = value
		}
	}
	return facts
}

// parseConf returns the settings in an answer to conf, and the members of the quorum.
func parseConf(answer string) (settings map[string]string, members []string) {
	settings = make(map[string]string)
	for line := range strings.Lines(answer) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), "=")
		switch {
		case !ok:
		case strings.HasPrefix(name, "server."):
			if isVoter(value) {
				members = append(members, value)
			}
		default:
			settings[name] = value
		}
	}
	return settings, members
}

// parseMembers returns the members of the quorum in the data of /zookeeper/config.
func parseMembers(data string) []string {
	_, members := parseConf(data)
	return members
}

// isVoter reports whether a line "host:port:port[:participant|observer][;clientport]"
// describes a member of the quorum.
func isVoter(spec string) bool { return !strings.Contains(spec, ":observer") }

// shortVersion returns the number in a version with a hash and a date.
func shortVersion(v string) string {
	short, _, _ := strings.Cut(v, ",")
	short, _, _ = strings.Cut(strings.TrimSpace(short), "-")
	return short
}

// count parses a number of a fact. It returns nil if there is none.
func count(facts map[string]string, name string) *int64 {
	n, err := strconv.ParseFloat(facts[name], 64) // some are decimal fractions
	if err != nil {
		return nil
	}
	v := int64(n)
	return &v
}

// millis parses a number of milliseconds. It returns 0 if there is none.
func millis(facts map[string]string, name string) time.Duration {
	if n := count(facts, name); n != nil && *n > 0 {
		return time.Duration(*n) * time.Millisecond
	}
	return 0
}
