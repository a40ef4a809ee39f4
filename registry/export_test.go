package registry

// Turn is what RoundRobin does at a call, with its count.
var Turn = nextWeighted
