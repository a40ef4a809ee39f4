// Package repo tests the repository itself: which packages import which, that
// doc.go describes every package, that the Go code in the documents compiles, and that the
// programs of docs/migrating run.
package repo
