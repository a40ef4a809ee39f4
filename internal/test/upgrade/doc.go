// Package upgrade tests that two versions of zkrecipes can work on the same
// nodes, as they do during a rolling upgrade. The tests have the build tag
// interop, and build the older version from the history of the repository.
package upgrade
