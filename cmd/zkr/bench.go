package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/cmd/zkr/internal/bench"
	"github.com/zkrecipes/zkrecipes/session"
)

// benchFlags are the flags of zkr bench.
type benchFlags struct {
	clients, ops, size, backlog int
	duration                    time.Duration
	path                        string
}

func newBench(a *app) *cobra.Command {
	var f benchFlags
	cmd := &cobra.Command{
		Use:   "bench [flags] WORKLOAD",
		Short: "Measure recipes on an ensemble",
		Long: `Drive a recipe on the ensemble and print operations per second, the latency of
an operation, and what an operation costs. Each client has a session and makes
operations one after another. One operation of each workload is:

` + describeWorkloads() + `
The latency of handoff and election is counted from the release. Before a
change, config and member pause for 120 ms, which is not part of the latency:
their recipes read changes that follow each other faster only together.

Percentiles are exact: every latency is recorded. Requests that a session has
in flight at the same time are one round trip. For comparison, "server" is the
median round trip of a read and of a write on the idle ensemble.

All nodes are below a new node zkr-bench-ID of --path, and are removed at the
end, also after an interruption; zkr then prints what it has measured until
then. A benchmark adds load to the ensemble. By default, servers accept 60
connections from a host (maxClientCnxns).

Exit codes: 0, 1 if no operation was completed or a server refuses a request, 2
for bad usage, 3 if no server can be reached, 4 if not authorized, 5 if the
output cannot be written, 128+N after signal N.`,
		Example: `  zkr bench lock --clients 16 --duration 30s
  zkr bench queue --ops 10000 --size 1000 --backlog 100000
  zkr bench handoff --json`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return usage("WORKLOAD is missing: %s", workloadNames())
			case len(args) > 1:
				return usage("unexpected argument %q", args[1])
			}
			return nil
		},
		ValidArgs: strings.Split(workloadNames(), ", "),
	}
	fs := cmd.Flags()
	fs.IntVar(&f.clients, "clients", 8, "the `number` of clients")
	fs.IntVar(&f.ops, "ops", 0, "make this `number` of operations; 0 for no limit")
	fs.DurationVar(&f.duration, "duration", 0, "how `long` to run; 10s if --ops is not given")
	fs.IntVar(&f.size, "size", 100, "`bytes` of an item, value, member or task")
	fs.IntVar(&f.backlog, "backlog", 0, "the `number` of items that wait in the queue")
	fs.StringVar(&f.path, "path", "/", "work below this `path`")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		w, err := f.check(cmd, args[0])
		if err != nil {
			return err
		}
		return a.withSession(func(ctx context.Context, c *client) error { return c.bench(ctx, w, &f) })
	}
	return cmd
}

// describeWorkloads returns a line for each workload.
func describeWorkloads() string {
	var b strings.Builder
	for _, w := range bench.Workloads {
		fmt.Fprintf(&b, "  %-9s %s\n", w.Name, w.Operation)
	}
	return b.String()
}

func workloadNames() string {
	var names []string
	for _, w := range bench.Workloads {
		names = append(names, w.Name)
	}
	return strings.Join(names, ", ")
}

// check validates the flags and returns the workload of the given name.
func (f *benchFlags) check(cmd *cobra.Command, name string) (*bench.Workload, error) {
	var w *bench.Workload
	for _, known := range bench.Workloads {
		if known.Name == name {
			w = known
		}
	}
	set := cmd.Flags().Changed
	switch {
	case w == nil:
		return nil, usage("unknown workload %q; there are %s", name, workloadNames())
	case f.clients <= 0:
		return nil, usage("--clients %d is not positive", f.clients)
	case f.ops < 0:
		return nil, usage("--ops %d is negative", f.ops)
	case f.duration < 0:
		return nil, usage("--duration %v is negative", f.duration)
	case f.size < 0:
		return nil, usage("--size %d is negative", f.size)
	case f.backlog < 0:
		return nil, usage("--backlog %d is negative", f.backlog)
	case set("size") && !w.Sized:
		return nil, usage("--size does not apply to %s", name)
	case set("backlog") && !w.Backlogged:
		return nil, usage("--backlog does not apply to %s", name)
	}
	if f.ops == 0 && !set("duration") {
		f.duration = 10 * time.Second
	}
	if err := session.CheckPath(f.path); err != nil {
		return nil, exitOfSession(err)
	}
	return w, nil
}

// bench runs a benchmark and prints its report.
func (c *client) bench(ctx context.Context, w *bench.Workload, f *benchFlags) error {
	path := bench.NewPath(f.path)
	shown := &benchProgress{app: c.app, path: path}
	defer shown.close()
	report, err := bench.Run(ctx, c.sig.ReleaseContext(), c.Session, bench.Config{
		Workload: w, Path: path, Clients: f.clients, Ops: f.ops, Duration: f.duration, Size: f.size, Backlog: f.backlog,
		Connect: c.connect, Progress: shown,
	})
	shown.close()
	if report.Failed > 0 {
		c.notice("%d operations failed, the first with: %v", report.Failed, report.FirstError)
	}
	var left *bench.LeftError
	if errors.As(err, &left) && ctx.Err() != nil {
		c.printError(left) // the signal alone does not explain this error
	}
	if report.Operations > 0 {
		if err := c.printReport(w, f, &report, ctx.Err() != nil); err != nil {
			return err
		}
	}
	if err == nil && report.Operations == 0 {
		err = exit(exitNo, errors.New("no operation was completed"))
	}
	return err
}

// benchProgress shows the progress of a benchmark.
type benchProgress struct {
	app     *app
	path    string // that is removed at the end
	current *progress
	hint    *time.Timer // until the removal is reported
}

// removalHint is how long the removal of the nodes must take to be reported.
const removalHint = time.Second

func (p *benchProgress) Begin(phase string, total int64, d time.Duration) {
	p.close()
	p.current = p.app.newProgress(phase, total, d)
	if phase == bench.CleaningUp {
		p.hint = time.AfterFunc(removalHint, func() { p.app.notice("removing %s", p.path) })
	}
}

func (p *benchProgress) Add(n int64) { p.current.Add(n) }

func (p *benchProgress) close() {
	if p.current != nil {
		p.current.Close()
	}
	if p.hint != nil {
		p.hint.Stop()
	}
}

// benchJSON is the report as JSON. Latencies are in milliseconds.
type benchJSON struct {
	Workload     string           `json:"workload"`
	Clients      int              `json:"clients"`
	Size         *int             `json:"size,omitempty"`
	Backlog      *int             `json:"backlog,omitempty"`
	Interrupted  bool             `json:"interrupted"`
	Seconds      float64          `json:"seconds"`
	Operations   int              `json:"operations"`
	Failed       int              `json:"failed"`
	PerSecond    float64          `json:"operations_per_second"`
	Latency      benchLatencyJSON `json:"latency_ms"`
	PerOperation benchCostJSON    `json:"per_operation"`
	Server       benchServerJSON  `json:"server_ms"`
}

type benchLatencyJSON struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p99.9"`
	Max  float64 `json:"max"`
}

type benchCostJSON struct {
	Requests   float64 `json:"requests"`
	RoundTrips float64 `json:"round_trips"`
	Sent       float64 `json:"bytes_sent"`
	Received   float64 `json:"bytes_received"`
}

// benchServerJSON is the median round trip of requests to the idle ensemble.
type benchServerJSON struct {
	Read  float64 `json:"read"`
	Write float64 `json:"write"`
}

func (a *app) printReport(w *bench.Workload, f *benchFlags, r *bench.Report, interrupted bool) error {
	ms := func(d time.Duration) float64 { return rounded(float64(d) / float64(time.Millisecond)) }
	perOp := func(n int64) float64 { return rounded(r.PerOperation(n)) }
	t := r.Traffic
	v := benchJSON{
		Workload: w.Name, Clients: f.clients, Interrupted: interrupted,
		Seconds: rounded(r.Elapsed.Seconds()), Operations: r.Operations, Failed: r.Failed, PerSecond: rounded(r.PerSecond()),
		Latency:      benchLatencyJSON{ms(r.Latency.P50), ms(r.Latency.P90), ms(r.Latency.P99), ms(r.Latency.P999), ms(r.Latency.Max)},
		PerOperation: benchCostJSON{perOp(t.Requests), perOp(t.RoundTrips), perOp(t.Sent), perOp(t.Received)},
		Server:       benchServerJSON{ms(r.ServerRead), ms(r.ServerWrite)},
	}
	settings := plural(f.clients, "client")
	if w.Sized {
		v.Size = &f.size
		settings += fmt.Sprintf(", %d bytes", f.size)
	}
	if w.Backlogged {
		v.Backlog = &f.backlog
		settings += ", backlog " + grouped(int64(f.backlog))
	}
	text := fmt.Sprintf(`workload    %s: %s
settings    %s
operations  %s in %.1fs, %.1f per second
latency     p50 %s  p90 %s  p99 %s  p99.9 %s  max %s
cost        %.1f requests, %.1f round trips, %.0f bytes sent, %.0f received, per operation
server      read %s, write %s (round trip, p50)`,
		w.Name, w.Operation, settings, grouped(int64(r.Operations)), v.Seconds, v.PerSecond,
		milliseconds(r.Latency.P50), milliseconds(r.Latency.P90), milliseconds(r.Latency.P99), milliseconds(r.Latency.P999), milliseconds(r.Latency.Max),
		v.PerOperation.Requests, v.PerOperation.RoundTrips, v.PerOperation.Sent, v.PerOperation.Received,
		milliseconds(r.ServerRead), milliseconds(r.ServerWrite))
	return a.print(text, v)
}

// rounded returns x with three decimal places.
func rounded(x float64) float64 { return math.Round(x*1000) / 1000 }

// milliseconds formats a latency with three digits or more.
func milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms < 10:
		return fmt.Sprintf("%.2fms", ms)
	case ms < 100:
		return fmt.Sprintf("%.1fms", ms)
	}
	return fmt.Sprintf("%.0fms", ms)
}

// plural returns a number with a noun.
func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return grouped(int64(n)) + " " + noun
}
