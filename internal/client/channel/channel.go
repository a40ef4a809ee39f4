// Package channel has operations on channels that carry signals. They never block.
package channel

// Wake sends to c, which has capacity 1, unless a signal waits there already or c is nil.
func Wake(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// IsClosed reports whether c is closed. Nothing is ever sent to c, which may be nil.
func IsClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
