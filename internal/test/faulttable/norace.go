//go:build !race

package faulttable

// pairStride is how many pairs of faults there are to one that is played.
const pairStride = 3

// underRace says that the race detector watches.
const underRace = false
