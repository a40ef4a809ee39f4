package zktest

import (
	"context"
	"io"
	"net"
	"strings"
)

// sendWord sends a four-letter word to a server and returns the answer.
func sendWord(ctx context.Context, addr, word string) (string, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	if _, err := io.WriteString(c, word); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(c)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return string(answer), err
}

// wordField returns the value of a "name: value" line of an answer.
func wordField(answer, name string) string {
	for line := range strings.Lines(answer) {
		if value, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
