package doctor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
)

// admin reads from the admin server of a ZooKeeper server, which is on by default and
// answers over HTTP.
type admin struct {
	client  *http.Client
	baseURL string
}

func newAdmin(addr string) *admin {
	return &admin{
		client: &http.Client{
			Transport:     &http.Transport{DisableKeepAlives: true}, // without the proxy of the environment
			CheckRedirect: func(*http.Request, []*http.Request) error { return errors.New("it redirects") },
		},
		baseURL: "http://" + addr + "/commands/",
	}
}

// get returns the answer to a command. Its values are strings, also those that are numbers in
// the JSON.
func (a *admin) get(ctx context.Context, command string) (map[string]string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.baseURL+command, nil)
	if err != nil {
		return nil, err
	}
	resp, err := a.client.Do(req)
	if err != nil {
		return nil, ended(ctx, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the admin server replies %s", resp.Status)
	}
	var fields map[string]json.RawMessage
	if err := json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(&fields); err != nil {
		return nil, fmt.Errorf("not an admin server of ZooKeeper: %w", ended(ctx, err))
	}
	facts := make(map[string]string, len(fields))
	for name, raw := range fields {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		facts[name] = text
	}
	if facts["command"] == "" {
		return nil, errors.New("not an admin server of ZooKeeper")
	}
	return facts, nil
}

// settings returns the settings of the server if it is the one that listens on addr. Several
// servers of one machine have different admin ports, and only one has the usual one.
func (a *admin) settings(ctx context.Context, addr string) (map[string]string, error) {
	conf, err := a.get(ctx, "configuration")
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	if conf["client_port"] != port && conf["secure_client_port"] != port {
		return nil, fmt.Errorf("the admin server belongs to the server on port %s", conf["client_port"])
	}
	return map[string]string{
		"tickTime": conf["tick_time"], "minSessionTimeout": conf["min_session_timeout"], "maxSessionTimeout": conf["max_session_timeout"],
	}, nil
}

// maxBuffer returns the server's jute.maxbuffer.
func (a *admin) maxBuffer(ctx context.Context) (*Limit, error) {
	properties, err := a.get(ctx, "system_properties")
	if err != nil {
		return nil, err
	}
	text, set := properties["jute.maxbuffer"]
	if !set {
		return &Limit{Bytes: defaultMaxBuffer, Exact: true}, nil
	}
	// Java reads numbers in octal and hexadecimal, too, as base 0 does.
	n, err := strconv.ParseInt(text, 0, 32)
	if err != nil {
		return &Limit{Bytes: defaultMaxBuffer, Exact: true}, nil // as the server does
	}
	return &Limit{Bytes: int(n), Exact: true}, nil
}

// defaultMaxBuffer is the default of jute.maxbuffer.
const defaultMaxBuffer = 0xfffff
