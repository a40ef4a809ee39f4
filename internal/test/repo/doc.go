// Package repo tests the repository itself: which packages import which, that
// doc.go describes every package, and that the Go code in the documents compiles.
package repo
