// Package fourletter asks ZooKeeper servers by their four-letter words: "srvr", "cons".
package fourletter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// Errors of Ask.
var (
	ErrNotListed  = errors.New("the word is not in 4lw.commands.whitelist")
	ErrNotServing = errors.New("the server is running and does not serve requests")
	ErrNoAnswer   = errors.New("the server closes the connection on it")
)

// maxAnswer bounds an answer. That to cons has some 200 bytes for each connection.
const maxAnswer = 64 << 20

// Ask sends a word over a new connection, which it closes, and returns the answer.
func Ask(ctx context.Context, nc net.Conn, word string) (string, error) {
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { nc.SetDeadline(time.Unix(1, 0)) })()
	_, err := io.WriteString(nc, word)
	var answer []byte
	if err == nil {
		answer, err = io.ReadAll(io.LimitReader(nc, maxAnswer))
	}
	text := string(answer)
	switch {
	case strings.Contains(text, "not in the whitelist"):
		return "", ErrNotListed
	case strings.Contains(text, "not currently serving"):
		return "", ErrNotServing
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case text != "": // a server may reset the connection after its answer
		return text, nil
	case err != nil:
		return "", fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	return "", ErrNoAnswer
}
