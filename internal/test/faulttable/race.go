//go:build race

package faulttable

// pairStride is how many pairs of faults there are to one that is played.
const pairStride = 23

// underRace says that the race detector watches.
const underRace = true
