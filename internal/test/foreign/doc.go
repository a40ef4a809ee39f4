// Package foreign runs programs as child processes of a test: with the build tag interop
// those that use other ZooKeeper clients, such as Curator and Kazoo.
//
// A test of a recipe has its programs in testdata/interop. A program reads commands from
// its standard input, one a line, and answers each with a line. It ends when its input
// ends.
package foreign
