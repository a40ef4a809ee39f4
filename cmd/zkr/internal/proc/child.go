package proc

import "syscall"

// Done is closed when the child has ended. ExitCode, KilledBy and Err are valid
// from then on.
func (p *Child) Done() <-chan struct{} { return p.done }

// ExitCode is the exit code of the child, or ExitSignaled plus the number of the
// signal that ended it.
func (p *Child) ExitCode() int { return p.code }

// KilledBy is the signal that ended the child, or 0.
func (p *Child) KilledBy() syscall.Signal { return p.killedBy }

// Err is ErrWatchdogKilled if the exit code is not that of the child because its
// watchdog process was killed, and nil otherwise.
func (p *Child) Err() error { return p.failure }
