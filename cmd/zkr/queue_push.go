package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/queue"
)

func newQueuePush(a *app) *cobra.Command {
	var f layoutFlag
	var priority int
	cmd := &cobra.Command{
		Use:   "push [flags] PATH [VALUE...]",
		Short: "Append items",
		Long: `Append VALUEs, or the lines of stdin as they arrive, to the queue, and print
the id of each item. An item is pushed exactly once, also across lost
connections.

Exit codes: 0, 1 if an item is refused, 2 for bad usage, 3 if no server can be
reached or the session is lost, 4 if not authorized, 5 if the output cannot be
written.`,
		Example: `  zkr queue push /jobs resize:17 resize:18
  zkr queue push --priority -5 /jobs urgent
  tail -f events.log | zkr queue push /events`,
	}
	cmd.Flags().IntVar(&priority, "priority", 0, "`number`; items with a smaller one are delivered first")
	f.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage("PATH is missing")
		}
		l, err := f.parse()
		if err != nil {
			return err
		}
		var opts []queue.PushOption
		if cmd.Flags().Changed("priority") {
			opts = append(opts, queue.WithPriority(priority))
		}
		return a.withSession(func(ctx context.Context, c *client) error {
			q := c.queue(args[0], l)
			pushed := a.newProgress("pushing", int64(len(args)-1), 0)
			defer pushed.Close()
			push := func(vs [][]byte) error {
				ids, err := q.PushAll(ctx, vs, opts...)
				pushed.Add(int64(len(ids)))
				return errors.Join(exitOfQueue(err), printEach(ids, a.printID))
			}
			if len(args) == 1 {
				return pushLines(ctx, os.Stdin, q.MaxSize(), push)
			}
			var vs [][]byte
			for _, v := range args[1:] {
				vs = append(vs, []byte(v))
			}
			return push(vs)
		})
	}
	return cmd
}

// The limits of a batch of lines.
const (
	batchLines = 100
	batchBytes = 512 << 10
)

// pushLines pushes the lines of in as they arrive. Lines that arrive during a push are
// the next batch.
func pushLines(ctx context.Context, in io.Reader, maxSize int, push func([][]byte) error) error {
	lines := make(chan []byte, batchLines)
	var readErr error // valid when lines is closed
	go func() {       // may stay blocked in a read
		defer close(lines)
		readErr = eachLine(in, maxSize, func(line []byte) bool {
			select {
			case lines <- line:
				return true
			case <-ctx.Done():
				return false
			}
		})
	}()
	for {
		batch, more := nextBatch(ctx, lines)
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(batch) > 0 {
			if err := push(batch); err != nil {
				return err
			}
		}
		if !more {
			return readErr
		}
	}
}

// nextBatch waits for a line and returns it with the further lines that are there. More
// is false after the last line.
func nextBatch(ctx context.Context, lines <-chan []byte) (batch [][]byte, more bool) {
	var line []byte
	select {
	case line, more = <-lines:
	case <-ctx.Done():
		return nil, true
	}
	size := 0
	for more {
		batch = append(batch, line)
		size += len(line)
		if len(batch) == batchLines || size >= batchBytes {
			break
		}
		select {
		case line, more = <-lines:
		default:
			return batch, true
		}
	}
	return batch, more
}

// eachLine calls f for each line of in until f returns false. The last line need not end
// in a newline. A line of more than maxSize bytes is an error.
func eachLine(in io.Reader, maxSize int, f func([]byte) bool) error {
	sc := bufio.NewScanner(in)
	sc.Buffer(nil, maxSize+1)
	sc.Split(func(data []byte, end bool) (int, []byte, error) { // as bufio.ScanLines, but carriage returns are kept
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			return i + 1, data[:i], nil
		}
		if end && len(data) > 0 {
			return len(data), data, nil
		}
		return 0, nil, nil
	})
	n := 1
	for ; sc.Scan(); n++ {
		if !f(bytes.Clone(sc.Bytes())) {
			return nil
		}
	}
	switch err := sc.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return exit(exitNo, fmt.Errorf("line %d has more than %d bytes", n, maxSize))
	case err != nil:
		return exit(exitNo, fmt.Errorf("stdin: %w", err))
	}
	return nil
}
