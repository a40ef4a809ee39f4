package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/session"
)

// defaultGrace means that the time between TERM and KILL is the longest that the session
// allows, but at most longestGrace.
const (
	defaultGrace = 0
	longestGrace = 5 * time.Second
)

// graceFlag is the flag --grace.
type graceFlag struct{ duration time.Duration }

// register adds the flag. The event, for example " if the lock is lost", says when CMD is
// stopped.
func (f *graceFlag) register(cmd *cobra.Command, event string) {
	cmd.Flags().DurationVar(&f.duration, "grace", defaultGrace, "time between TERM and KILL for CMD"+event)
}

func (f *graceFlag) check() error { return notNegative("--grace", f.duration) }

// stopTime returns the grace to use with s, and an error if s does not allow it.
func stopTime(s *session.Session, grace time.Duration) (time.Duration, error) {
	switch longest := s.MaxStopTime(); {
	case grace == defaultGrace:
		return min(longest, longestGrace), nil
	case grace > longest:
		needed := time.Duration(float64(s.Timeout()) * float64(grace) / float64(max(longest, 1)))
		return 0, exit(exitFailed, fmt.Errorf("--grace %v is more than the session timeout of %v allows: %v; it needs a granted --timeout of %v",
			grace, s.Timeout(), longest, needed.Round(100*time.Millisecond)+100*time.Millisecond))
	}
	return grace, nil
}
