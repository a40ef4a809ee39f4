// Package identity names this process to people who look at a tree.
package identity

import (
	"fmt"
	"os"
)

// Default is host:pid.
func Default() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}
