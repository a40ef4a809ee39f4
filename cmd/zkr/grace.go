package main

import (
	"fmt"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// defaultGrace means that the time between TERM and KILL is the longest that the session
// allows, but at most longestGrace.
const (
	defaultGrace = 0
	longestGrace = 5 * time.Second
)

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
