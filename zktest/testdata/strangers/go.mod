// The programs of others that are run on zktest's servers, with their own tests.
module github.com/zkrecipes/zkrecipes/zktest/testdata/strangers

go 1.25

require (
	github.com/go-kit/kit v0.13.0
	github.com/go-zookeeper/zk v1.0.4
)

require (
	github.com/go-kit/log v0.2.0 // indirect
	github.com/go-logfmt/logfmt v0.5.1 // indirect
)
