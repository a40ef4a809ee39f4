package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"
	xterm "golang.org/x/term"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/inspect"
	"github.com/zkrecipes/zkrecipes/session"
)

func newInspect(a *app) *cobra.Command {
	var watch bool
	depth := inspect.DefaultDepth
	cmd := &cobra.Command{
		Use:   "inspect [flags] PATH",
		Short: "Show which recipe is at a path, its state, and why it is stuck",
		Long: `Show which recipe is at PATH, and its state: owners, waiters, candidates,
members, items or tasks, since when and of which session, and why nothing
moves. Recipes of this module, of Curator, Kazoo and go-zookeeper are
recognized in every layout, and nodes of Kafka, HBase and Solr by their names.
"or" names other recipes whose nodes look the same.

If no recipe is at PATH, print a line for each recipe below it. Large trees are
not read completely; lines with "not read" or "not shown" say what is left out.

FOR is how long an owner has owned or a waiter has waited. With "<" the owner
has owned for less: its node was created then, as a waiter's. CONNECTED is the
connection of the session: "silent" if the server has received nothing for more
than half of the session timeout, and "unknown" unless the servers in --server
answer the four-letter words cons and conf (4lw.commands.whitelist). Otherwise
zkr asks their admin servers at port 8080, which do not show whether a session
has no connection.

With --watch, print changes until INT or TERM. On a terminal, redraw the state
instead. Changes of nodes are watched; the connections of sessions are read
every five seconds.

Exit codes: 0, 1 if PATH does not exist, 2 for bad usage, 3 if no server can be
reached or the session is lost, 4 if not authorized, 5 if the output cannot be
written.`,
		Example: `  zkr inspect /locks/backup
  zkr inspect --watch /app
  zkr inspect --json --depth 2 / | jq -r 'select(.findings).path'`,
		Args: onePath,
	}
	f := cmd.Flags()
	f.BoolVar(&watch, "watch", false, "print changes, or redraw on a terminal, until a signal")
	f.IntVar(&depth, "depth", depth, "search `N` levels below PATH for recipes")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if depth < 1 {
			return usage("--depth is %d, want at least 1", depth)
		}
		opts := inspect.Options{Limits: inspect.Limits{Depth: depth}}
		if watch {
			return a.untilSignal(func(ctx context.Context, c *client) error { return c.inspectWatch(ctx, args[0], opts) })
		}
		return a.withSyncedSession(func(ctx context.Context, c *client) error { return c.inspectOnce(ctx, args[0], opts) })
	}
	return cmd
}

func (c *client) inspectOnce(ctx context.Context, path string, opts inspect.Options) error {
	servers := c.newServers()
	defer servers.close(c.sig.ReleaseContext())
	opts.Sessions = servers.sessions
	rep, err := inspect.Read(ctx, c.Session, path, opts)
	if errors.Is(err, session.ErrNoNode) {
		return missing(path)
	}
	if err != nil {
		return err
	}
	if c.json {
		for _, l := range rep.LeftOut {
			c.notice("not read: %s", l)
		}
		return printEach(rep.Recipes, func(r *inspect.Recipe) error { return c.print("", r) })
	}
	return c.printLines(rep.Text(time.Now()))
}

func missing(path string) error { return exit(exitNo, fmt.Errorf("%s does not exist", path)) }

func (c *client) printLines(lines []string) error {
	_, err := c.stdout.Write([]byte(strings.Join(lines, "\n") + "\n"))
	return err
}

// inspectWatch shows the reports until ctx is done.
func (c *client) inspectWatch(ctx context.Context, path string, opts inspect.Options) error {
	if err := c.Sync(ctx, "/"); err != nil {
		return err
	}
	switch _, exists, err := c.Exists(ctx, path); {
	case err != nil:
		return err
	case !exists:
		return missing(path)
	}
	servers := c.newServers()
	defer servers.close(c.sig.ReleaseContext())
	opts.Sessions = servers.sessions
	reports := inspect.Watch(ctx, c.Session, path, opts)
	if fd := terminalOf(c.stdout.w); fd >= 0 && !c.json {
		return c.redraw(ctx, path, reports, fd)
	}
	var last *inspect.Report
	first := true
	for rep, err := range reports {
		switch {
		case err != nil:
			return err
		case c.json:
			err = c.printChangedRecipes(rep, last)
		case first && rep != nil:
			err = c.printLines(rep.Text(time.Now()))
		default:
			err = c.printReportChanges(rep, last)
		}
		if err != nil {
			return err
		}
		if rep == nil {
			c.notice("%s does not exist", path)
		}
		last, first = rep, false
	}
	return ctx.Err()
}

// printReportChanges prints a line for each change.
func (c *client) printReportChanges(rep, last *inspect.Report) error {
	now := time.Now().Format(time.TimeOnly)
	return printEach(rep.Changes(last), func(ch inspect.Change) error {
		return c.print(fmt.Sprintf("%s %s %s %s", now, ch.Path, ch.Event, ch.Text), nil)
	})
}

// printChangedRecipes prints an object for each recipe that differs from the last report.
func (c *client) printChangedRecipes(rep, last *inspect.Report) error {
	print := func(event string, r *inspect.Recipe) error {
		return c.print("", struct {
			Event string `json:"event"`
			*inspect.Recipe
		}{event, r})
	}
	before := make(map[string]*inspect.Recipe)
	if last != nil {
		for _, r := range last.Recipes {
			before[r.Path] = r
		}
	}
	if rep != nil {
		for _, r := range rep.Recipes {
			old := before[r.Path]
			delete(before, r.Path)
			event := "changed"
			if old == nil {
				event = "appeared"
			} else if reflect.DeepEqual(old, r) {
				continue
			}
			if err := print(event, r); err != nil {
				return err
			}
		}
	}
	for _, path := range slices.Sorted(maps.Keys(before)) {
		if err := print("gone", before[path]); err != nil {
			return err
		}
	}
	return nil
}

// redraw shows the latest report on a terminal, and every second its ages.
func (c *client) redraw(ctx context.Context, path string, reports iter.Seq2[*inspect.Report, error], fd int) error {
	type result struct {
		rep *inspect.Report
		err error
	}
	results := make(chan result)
	done := make(chan struct{})
	go func() {
		defer close(results)
		for rep, err := range reports {
			select {
			case results <- result{rep, err}:
			case <-done:
				return
			}
		}
	}()
	defer func() { // the reader must not use the session any more
		close(done)
		for range results {
		}
	}()
	second := time.NewTicker(time.Second)
	defer second.Stop()
	var last result
	shown := false
	for {
		select {
		case r, ok := <-results:
			if !ok {
				return ctx.Err()
			}
			if r.err != nil {
				return r.err
			}
			last, shown = r, true
		case <-second.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		if !shown {
			continue
		}
		lines := []string{path + " does not exist"}
		if last.rep != nil {
			lines = last.rep.Text(time.Now())
		}
		if err := c.draw(lines, fd); err != nil {
			return err
		}
	}
}

// The control sequences of terminals: the cursor to the upper left corner, and erase
// the rest of the line or of the screen.
const (
	cursorHome = "\x1b[H"
	eraseLine  = "\x1b[K"
	eraseBelow = "\x1b[J"
)

// draw replaces the screen by as much of lines as fits.
func (c *client) draw(lines []string, fd int) error {
	columns, rows, err := xterm.GetSize(fd)
	if err != nil || columns == 0 || rows < 3 {
		columns, rows = 80, 24
	}
	if left := len(lines) - (rows - 2); left > 0 {
		lines = append(lines[:rows-2:rows-2], fmt.Sprintf("… %d more lines", left))
	}
	var b strings.Builder
	b.WriteString(cursorHome)
	for _, line := range lines {
		if utf8.RuneCountInString(line) > columns {
			line = string([]rune(line)[:columns-1]) + "…"
		}
		b.WriteString(line + eraseLine + "\n")
	}
	b.WriteString(eraseBelow)
	_, err = c.stdout.Write([]byte(b.String()))
	return err
}
