// Package identity returns the default id of this process, which nodes show to
// operators.
package identity

import (
	"fmt"
	"os"
)

// Default returns host:pid.
func Default() string {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s:%d", host, os.Getpid())
}
