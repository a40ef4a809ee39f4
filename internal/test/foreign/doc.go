// Package foreign runs programs that use other ZooKeeper clients, such as Curator and
// Kazoo. It is for tests with the build tag interop.
//
// A test of a recipe has its programs in testdata/interop. A program reads commands from
// its standard input, one a line, and answers each with a line. It ends when its input
// ends.
package foreign
