// Package foreign drives programs that use other ZooKeeper clients, for tests with
// the build tag interop.
package foreign
