// Package ownership tests what all recipes promise alike about ownership: a lock's
// lease, a leader's term, a slot, a claim, an entry to a double barrier.
package ownership
