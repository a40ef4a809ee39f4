package zktest

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
	"github.com/zkrecipes/zkrecipes/zktest/internal/ztree"
)

// removeInterval is the pause between two attempts to delete a tree that grows.
const removeInterval = 50 * time.Millisecond

func createNode(c *rawClient, path string) error {
	_, err := c.call(wire.OpCreate, &wire.CreateRequest{Path: path, ACL: ztree.OpenACL}, &wire.Path{})
	return err
}

// removeTree deletes a node and its descendants. It retries if sessions that are about to
// end create nodes meanwhile.
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

// removeOnce deletes one level of nodes after the other, the lowest first. The deletes of
// one level are pipelined.
func removeOnce(c *rawClient, path string) error {
	if _, err := c.call(wire.OpSync, &wire.Path{Path: path}, &wire.Path{}); err != nil {
		return err
	}
	var levels [][]string
	hidden := make(map[string]error) // nodes that must not be read; they can be deleted only if they have no children
	for level := []string{path}; len(level) > 0; {
		levels = append(levels, level)
		lists := make([]wire.ChildrenResponse, len(level))
		errs, err := c.callAll(wire.OpGetChildren2, len(level), func(i int) (req, resp wire.Record) {
			return &wire.PathWatch{Path: level[i]}, &lists[i]
		})
		if err != nil {
			return err
		}
		var below []string
		for i, err := range errs {
			switch {
			case hasCode(err, wire.CodeNoAuth):
				hidden[level[i]] = err
			case err != nil && !hasCode(err, wire.CodeNoNode):
				return err
			}
			for _, child := range lists[i].Children {
				below = append(below, level[i]+"/"+child)
			}
		}
		level = below
	}
	for _, level := range slices.Backward(levels) {
		errs, err := c.callAll(wire.OpDelete, len(level), func(i int) (req, resp wire.Record) {
			return &wire.PathVersion{Path: level[i], Version: -1}, &wire.Empty{}
		})
		if err != nil {
			return err
		}
		for i, err := range errs {
			if hidden[level[i]] != nil && hasCode(err, wire.CodeNotEmpty) {
				err = hidden[level[i]]
			}
			if err != nil && !hasCode(err, wire.CodeNoNode) {
				return err
			}
		}
	}
	return nil
}

// countEphemerals counts the ephemeral nodes below path. It syncs first.
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

// ephemeral reports whether owner is a session. The owner of a container has only the sign
// bit set, that of a node with a time to live has a first byte of ones.
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
