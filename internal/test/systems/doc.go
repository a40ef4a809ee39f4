// Package systems has the systems that articles on ZooKeeper and Go describe, each
// as a function that runs it on the servers of a test. The tests in the root folder
// of the module call them and say what each system is.
package systems
