// Plot measures the locks of all libraries with growing numbers of clients, and writes a
// bar chart.
//
//	cd bench && go run ./plot ../docs/benchmark.svg
package main

import (
	"context"
	"fmt"
	"image/color"
	"log"
	"os"
	"slices"
	"strconv"
	"time"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/zkrecipes/zkrecipes/bench"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: plot FILE.svg")
	}
	if err := run(context.Background(), os.Args[1]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, file string) error {
	server, err := bench.StartServer(ctx)
	if err != nil {
		return err
	}
	defer server.Close()
	clients := []int{1, 2, 4, 8, 16}
	medians := make([]plotter.Values, len(bench.Libraries))
	for _, n := range clients {
		rates, err := bench.Compare(ctx, server.Addr(), n, 5, time.Second)
		if err != nil {
			return err
		}
		for i, r := range rates {
			slices.Sort(r)
			medians[i] = append(medians[i], r[len(r)/2])
			fmt.Printf("%2d clients, %-9s %6.1f/s\n", n, bench.Libraries[i].Name, r[len(r)/2])
		}
	}
	return draw(file, clients, medians)
}

// width is the width of a bar, in points.
const width = 18

func draw(file string, clients []int, medians []plotter.Values) error {
	p := plot.New()
	p.Title.Text = fmt.Sprintf("One lock, round trip %v: acquisitions and releases per second", 2*bench.Delay)
	p.X.Label.Text = "clients that contend for the lock"
	p.Y.Label.Text = "per second"
	p.Y.Min, p.Y.Max = 0, 1.2*slices.Max(slices.Concat(medians...))
	p.Legend.Top, p.Legend.Left, p.Legend.XOffs, p.Legend.Padding = true, true, vg.Points(12), vg.Points(3)
	p.X.Padding = vg.Points(width)
	colors := []color.Color{color.RGBA{0x1f, 0x6f, 0xb2, 0xff}, color.RGBA{0xb0, 0xb0, 0xb0, 0xff}}
	for i, m := range medians {
		bars, err := plotter.NewBarChart(m, vg.Points(width))
		if err != nil {
			return err
		}
		bars.LineStyle.Width, bars.Color = 0, colors[i]
		bars.Offset = vg.Points(width * (float64(i) - float64(len(medians)-1)/2))
		p.Add(bars)
		p.Legend.Add(bench.Libraries[i].Name, bars)
	}
	var names []string
	for _, n := range clients {
		names = append(names, strconv.Itoa(n))
	}
	p.NominalX(names...)
	return p.Save(18*vg.Centimeter, 9*vg.Centimeter, file)
}
