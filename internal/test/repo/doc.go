// Package repo tests the repository itself: which packages import which, that
// doc.go describes every package, that the Go code in the documents compiles, that the
// programs of docs/migrating run, and that the documents name the tests, log lines and
// errors that exist.
package repo
