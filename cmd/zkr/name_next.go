package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/naming"
)

func newNameNext(a *app) *cobra.Command {
	var count int
	cmd := &cobra.Command{
		Use:   "next [flags] PATH",
		Short: "Print a number that was never given out before",
		Long: `Print the next number of the sequence at PATH. Each number is given out once.
The first is 1.
` + nameCodes,
		Args: onePath,
	}
	cmd.Flags().IntVar(&count, "count", 1, "print `N` successive numbers")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if err := positive("--count", count); err != nil {
			return err
		}
		return a.withSession(func(ctx context.Context, c *client) error {
			first, err := naming.NewSequence(c.Session, args[0]).Reserve(ctx, count)
			if errors.Is(err, codec.ErrMalformed) {
				return exit(exitNo, err)
			}
			if err != nil {
				return exitOfNaming(err)
			}
			for n := first; n < first+int64(count); n++ {
				if err := a.print(strconv.FormatInt(n, 10), map[string]int64{"number": n}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return cmd
}
