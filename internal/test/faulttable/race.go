//go:build race

package faulttable

// pairStride is the number of pairs of faults for each one that is run by default.
const pairStride = 23

// underRace is true if the race detector is on.
const underRace = true
