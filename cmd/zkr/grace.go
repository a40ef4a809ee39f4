package main

import (
	"fmt"
	"time"

	"github.com/zkrecipes/zkrecipes/session"
)

// defaultGrace is what a child gets between TERM and KILL: as long as the session
// allows, and longestGrace at most.
const (
	defaultGrace = 0
	longestGrace = 5 * time.Second
)

// stopTime is the grace that s grants.
func stopTime(s *session.Session, grace time.Duration) (time.Duration, error) {
	switch most := s.MaxStopTime(); {
	case grace == defaultGrace:
		return min(most, longestGrace), nil
	case grace > most:
		needed := time.Duration(float64(s.Timeout()) * float64(grace) / float64(max(most, 1)))
		return 0, exit(exitFailed, fmt.Errorf("--grace %v is more than the session timeout of %v allows: %v; it needs a granted --timeout of %v",
			grace, s.Timeout(), most, needed.Round(100*time.Millisecond)+100*time.Millisecond))
	}
	return grace, nil
}
