// Package bench drives recipes on an ensemble and measures them.
//
// A Workload says what one operation is. Run connects one session per client, sets the
// workload up below a new node, makes one operation per client that is not measured,
// which creates the recipe's nodes, and then measures. At the end, also after an error
// or an interruption, it deletes all that it has created.
//
// # Numbers
//
// The latency of every operation is recorded, and percentiles are exact: p99 is the
// smallest recorded latency that at least 99 % of all operations do not exceed. Ten
// million operations take 80 MB.
//
// Requests, round trips and bytes are those of all sessions of the clients during the
// measurement, including requests in the background, divided by the number of
// operations. Requests of one session that are in flight at the same time are one round
// trip.
package bench
