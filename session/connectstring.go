package session

import (
	"fmt"
	"net"
	"strconv"
	"strings"
)

const defaultPort = "2181"

// ParseConnect returns the parts of a connect string: the servers, each as host:port, and the
// chroot, which is empty or a path. Use it for programs that show or examine servers one by
// one; Connect parses its argument itself.
//
// If the connect string is malformed, the error wraps ErrInvalid and says why. ParseConnect
// looks no host up and sends nothing.
func ParseConnect(connect string) (servers []string, chroot string, err error) {
	servers, root, err := parseConnect(connect)
	if err != nil {
		return nil, "", opError("parse", connect, err)
	}
	return servers, string(root), nil
}

// parseConnect parses "host1:2181,[::1]:2181,host3/chroot". It does not resolve names; they
// are resolved before each dial, since addresses change while a session lives.
func parseConnect(s string) (servers []string, root chroot, err error) {
	hosts := s
	if i := strings.IndexByte(s, '/'); i >= 0 {
		hosts = s[:i]
		if path := strings.TrimRight(s[i:], "/"); path != "" {
			if err := checkPath(path); err != nil {
				return nil, "", err
			}
			root = chroot(path)
		}
	}
	if strings.TrimSpace(hosts) == "" {
		return nil, "", fmt.Errorf("%w: no server in connect string %q", ErrInvalid, s)
	}
	for h := range strings.SplitSeq(hosts, ",") {
		addr, err := serverAddr(strings.TrimSpace(h))
		if err != nil {
			return nil, "", err
		}
		servers = append(servers, addr)
	}
	return servers, root, nil
}

func serverAddr(h string) (string, error) {
	bad := func(why string) error { return fmt.Errorf("%w: server %q %s", ErrInvalid, h, why) }
	if h == "" {
		return "", bad("is empty")
	}
	bare, bracketed := strings.CutPrefix(h, "[")
	if bracketed {
		bare = strings.TrimSuffix(bare, "]")
	}
	if ip := net.ParseIP(bare); ip != nil && strings.HasSuffix(h, "]") == bracketed { // an address alone; IPv6 with or without brackets
		return net.JoinHostPort(ip.String(), defaultPort), nil
	}
	host, port := h, defaultPort
	if strings.Contains(h, ":") {
		var err error
		if host, port, err = net.SplitHostPort(h); err != nil {
			return "", bad("is not host:port")
		}
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", bad("has no valid port")
	}
	if host == "" || strings.ContainsAny(host, " \t\r\n\x00@") {
		return "", bad("has no valid host")
	}
	return net.JoinHostPort(host, port), nil
}
