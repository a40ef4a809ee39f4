package zktest

import (
	"context"
	"errors"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/wire"
)

// removeInterval is the pause before a tree that grew while it was removed is
// removed again.
const removeInterval = 50 * time.Millisecond

func createNode(c *rawClient, path string) error {
	_, err := c.call(wire.OpCreate, &wire.CreateRequest{Path: path, ACL: openACL}, &wire.Path{})
	return err
}

// removeTree removes a node with all below it. Sessions that are just ending
// may still add to it.
func removeTree(ctx context.Context, c *rawClient, path string) error {
	tick := time.NewTicker(removeInterval)
	defer tick.Stop()
	for {
		err := removeOnce(c, path)
		if !hasCode(err, wire.CodeNotEmpty) {
			return err
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

func removeOnce(c *rawClient, path string) error {
	children, _, err := childrenOf(c, path)
	if hasCode(err, wire.CodeNoNode) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, child := range children {
		if err := removeOnce(c, path+"/"+child); err != nil {
			return err
		}
	}
	_, err = c.call(wire.OpDelete, &wire.PathVersion{Path: path, Version: -1}, &wire.Empty{})
	if hasCode(err, wire.CodeNoNode) {
		return nil
	}
	return err
}

// countEphemerals counts the ephemeral nodes below path, all of them that were
// there when it was called.
func countEphemerals(c *rawClient, path string) (int, error) {
	if _, err := c.call(wire.OpSync, &wire.Path{Path: path}, &wire.Path{}); err != nil {
		return 0, err
	}
	return walkEphemerals(c, path)
}

func walkEphemerals(c *rawClient, path string) (int, error) {
	children, stat, err := childrenOf(c, path)
	if hasCode(err, wire.CodeNoNode) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	n := 0
	if ephemeral(stat.EphemeralOwner) {
		n = 1
	}
	for _, child := range children {
		m, err := walkEphemerals(c, path+"/"+child)
		if err != nil {
			return 0, err
		}
		n += m
	}
	return n, nil
}

// ephemeral tells sessions among owners from the marks of containers (the sign
// alone) and of nodes with a time to live (the first byte all ones).
func ephemeral(owner int64) bool {
	return owner != 0 && owner != -1<<63 && uint64(owner)>>56 != 0xff
}

func childrenOf(c *rawClient, path string) ([]string, wire.Stat, error) {
	var resp wire.ChildrenResponse
	_, err := c.call(wire.OpGetChildren2, &wire.PathWatch{Path: path}, &resp)
	return resp.Children, resp.Stat, err
}

func hasCode(err error, code wire.Code) bool {
	refused := (*rawError)(nil)
	return errors.As(err, &refused) && refused.code == code
}
