package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/queue"
)

func newQueueLen(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "len PATH",
		Short: "Print the number of items",
		Long: `Print the number of items, including those that are claimed or not yet due.
`,
	}
	return a.readingQueue(cmd, func(ctx context.Context, q *queue.Queue[[]byte]) error {
		n, err := q.Len(ctx)
		if err != nil {
			return err
		}
		return a.print(fmt.Sprint(n), map[string]int{"len": n})
	})
}
