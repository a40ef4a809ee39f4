package main

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	xterm "golang.org/x/term"
)

// statusLine is stderr. If that is a terminal, it can show a line that is replaced later.
// The line is cleared before other output.
type statusLine struct {
	w  io.Writer
	fd int // of the terminal; negative if w is not one

	mu    sync.Mutex
	shown int // the width of the line that is shown
}

func newStatusLine(w io.Writer) *statusLine { return &statusLine{w: w, fd: terminalOf(w)} }

// terminalOf returns the file descriptor of w, or -1 if w is not a terminal.
func terminalOf(w io.Writer) int {
	if f, ok := w.(*os.File); ok && xterm.IsTerminal(int(f.Fd())) {
		return int(f.Fd())
	}
	return -1
}

// terminal reports whether lines can be shown.
func (s *statusLine) terminal() bool { return s.fd >= 0 }

// Write clears the line and writes data.
func (s *statusLine) Write(data []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	return s.w.Write(data)
}

// clearFor returns a function that clears the line, to be called before output to w. It
// does nothing if w is not a terminal.
func (s *statusLine) clearFor(w io.Writer) func() {
	if !s.terminal() || terminalOf(w) < 0 {
		return func() {}
	}
	return func() { s.show("") }
}

// show replaces the line that is shown. The empty text clears it.
func (s *statusLine) show(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	if text != "" {
		io.WriteString(s.w, text)
		s.shown = utf8.RuneCountInString(text)
	}
}

// clear clears the line. Terminals without control sequences are supported, too. s.mu is
// held.
func (s *statusLine) clear() {
	if s.shown > 0 {
		io.WriteString(s.w, "\r"+strings.Repeat(" ", s.shown)+"\r")
		s.shown = 0
	}
}

// width returns how many characters a line can have.
func (s *statusLine) width() int {
	const usual = 80
	if w, _, err := xterm.GetSize(s.fd); err == nil && w > 0 {
		return w - 1 // many terminals wrap after the last column
	}
	return usual - 1
}

const (
	// progressDelay is how long work must take for its progress to be shown.
	progressDelay = time.Second
	// progressInterval is the time between updates of the bar.
	progressInterval = 200 * time.Millisecond
)

// progress is the progress of work on many items. If stderr is a terminal and -q is not
// given, a bar is shown while the work takes longer than a second. Add and Close may be
// called by several goroutines.
type progress struct {
	line  *statusLine
	label string
	total int64         // 0 if it is unknown
	limit time.Duration // after which the work ends; 0 if there is no limit
	start time.Time
	done  atomic.Int64

	once sync.Once
	quit chan struct{}
	bar  sync.WaitGroup // the goroutine that draws
}

// newProgress begins work on total items, or 0 for an unknown number, that ends after
// limit in any case, unless it is 0. Close must be called.
func (a *app) newProgress(label string, total int64, limit time.Duration) *progress {
	p := &progress{line: a.stderr, label: label, total: total, limit: limit, start: time.Now(), quit: make(chan struct{})}
	if a.stderr.terminal() && !a.quiet {
		p.bar.Go(p.draw)
	}
	return p
}

// Add adds n items that are done.
func (p *progress) Add(n int64) { p.done.Add(n) }

// Close ends the work and clears the bar.
func (p *progress) Close() {
	p.once.Do(func() { close(p.quit) })
	p.bar.Wait()
}

func (p *progress) draw() {
	delay := time.NewTimer(progressDelay)
	defer delay.Stop()
	select {
	case <-delay.C:
	case <-p.quit:
		return
	}
	defer p.line.show("")
	tick := time.NewTicker(progressInterval)
	defer tick.Stop()
	for {
		p.line.show(p.render(time.Since(p.start), p.line.width()))
		select {
		case <-tick.C:
		case <-p.quit:
			return
		}
	}
}

// The width of the bar.
const (
	minBar = 10
	maxBar = 30
)

// render returns the line after elapsed, in at most width characters. It leaves out what
// does not fit, the least important first.
func (p *progress) render(elapsed time.Duration, width int) string {
	done := p.done.Load()
	count := grouped(done)
	if p.total > 0 {
		count += "/" + grouped(p.total)
	}
	rate := grouped(int64(float64(done)/elapsed.Seconds())) + "/s"
	fraction, known := p.fraction(done, elapsed)
	if !known {
		return fit(width, p.label, count, rate)
	}
	percent := fmt.Sprintf("%3d%%", int(fraction*100))
	left := ""
	if fraction > 0 {
		d := time.Duration(float64(elapsed) * (1 - fraction) / fraction)
		left = d.Round(time.Second).String() + " left"
	}
	parts := []string{p.label, percent, count, left, rate}
	room := width - utf8.RuneCountInString(strings.Join(parts, "  ")) - len("  []")
	if room >= minBar {
		parts[1] = bar(fraction, min(room, maxBar)) + "  " + percent
	}
	return fit(width, parts...)
}

// fraction returns which part of the work is done, if that is known.
func (p *progress) fraction(done int64, elapsed time.Duration) (fraction float64, known bool) {
	if p.total > 0 {
		fraction = float64(done) / float64(p.total)
	}
	if p.limit > 0 {
		fraction = max(fraction, float64(elapsed)/float64(p.limit))
	}
	return min(fraction, 1), p.total > 0 || p.limit > 0
}

func bar(fraction float64, width int) string {
	n := int(fraction * float64(width))
	return "[" + strings.Repeat("#", n) + strings.Repeat("-", width-n) + "]"
}

// fit joins as many parts as fit into width, and at least a piece of the first.
func fit(width int, parts ...string) string {
	line := []rune(parts[0])
	if len(line) > width {
		return string(line[:max(width, 0)])
	}
	for _, part := range parts[1:] {
		more := []rune("  " + part)
		if part == "" || len(line)+len(more) > width {
			continue
		}
		line = append(line, more...)
	}
	return string(line)
}

// grouped formats a number with a comma after each three digits.
func grouped(n int64) string {
	s := strconv.FormatInt(n, 10)
	start := 0
	if n < 0 {
		start = 1
	}
	for i := len(s) - 3; i > start; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
