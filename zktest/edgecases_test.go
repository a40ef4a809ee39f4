package zktest_test

import (
	"fmt"
	"strings"
)

var creates = []string{"create", "create2", "createContainer", "createTTL"}

// edges holds the edge cases of the protocol as scripts.
var edges = map[string]func() []step{
	"flags":     edgesOfFlags,
	"paths":     edgesOfPaths,
	"acls":      func() []step { return edgesOfACLs("plain") },
	"acls-auth": edgesOfAuth,
	"watches":   edgesOfWatches,
	"multis":    edgesOfMultis,
	"malformed": edgesOfRecords,
	"codes":     edgesOfCodes,
	"quotas":    edgesOfQuotas,
	"positions": edgesOfPositions,
	"drawn":     drawn,
}

// drawn returns scripts that the differential test has generated, for test runs without a
// real server.
func drawn() (script []step) {
	for seed := range 12 {
		script = append(script, aScript.Example(seed)...)
	}
	return append(script, step{Client: 1, Do: doExpire}, step{Client: 1, Do: "getEphemerals", Path: "/"})
}

func edgesOfFlags() (script []step) {
	for flags := int32(-1); flags < 9; flags++ {
		for _, op := range creates {
			script = append(script, step{Do: op, Path: fmt.Sprint("/d/", op, flags), ACL: openWorld, Flags: flags, TTL: 500000})
		}
	}
	for _, ttl := range []int64{-2, 0, 1<<40 - 1, 1 << 40} {
		script = append(script, step{Do: "createTTL", Path: fmt.Sprint("/d/ttl", ttl), ACL: openWorld, Flags: 5, TTL: ttl})
	}
	script = append(script, step{Do: "getData", Path: "/d/createContainer4"}, step{Do: "getData", Path: "/d/createTTL5"})
	for _, parent := range []string{"createContainer4", "createTTL5", "create1"} {
		script = append(script, step{Do: "create", Path: "/d/" + parent + "/child", ACL: openWorld})
		script = append(script, step{Do: "getData", Path: "/d/" + parent})
	}
	for _, path := range []string{"/d", "/d/nope", "/d/createContainer4", "/d/createTTL5", "/d/createContainer0", "/d/create1", "/d/create0", "/", "x"} {
		script = append(script, step{Do: "deleteContainer", Path: path})
	}
	return script
}

func edgesOfPaths() (script []step) {
	add := func(st step) { script = append(script, st) }
	for _, path := range []string{"", "/", "d", "/d/", "/d//a", "/d/.", "/d/..", "/d/.a", "/d/a.", "/d/...", "/d/a/../b", "/d/a\x00b", "/d/\x01",
		"/d/\u007f", "/d/\u00a0", "/d/\ud7ff", "/d/\ue000", "/d/\uf8ff", "/d/\uf900", "/d/\ufff0", "/d/ä ö", "/d/😀",
		"/zookeeper", "/zookeeper/quota", "/zookeeper/config", "/zookeeper/x", "/nope/x", "/d/nope/x"} {
		shared := path == "" || path == "/" || strings.HasPrefix(path, "/zookeeper")
		if !shared {
			for _, op := range []string{"exists", "getData", "getChildren", "getChildren2"} {
				add(step{Do: op, Path: path})
			}
		}
		if path != "" && path != "/" && path != "/zookeeper" && path != "/zookeeper/quota" {
			for _, op := range []string{"getACL", "sync", "getAllChildrenNumber", "getEphemerals"} {
				add(step{Do: op, Path: path})
			}
		}
		if path != "/zookeeper/x" {
			add(step{Do: "create", Path: path, ACL: openWorld})
		}
		if strings.HasPrefix(path, "/d") {
			add(step{Do: "create", Path: path, ACL: openWorld, Flags: 3})
		}
		for _, version := range []int32{7, -2} {
			add(step{Do: "setData", Path: path, Version: version})
			add(step{Do: "delete", Path: path, Version: version})
			add(step{Do: "setACL", Path: path, ACL: openWorld, Version: version})
			add(step{Do: "multi", Ops: []step{{Do: "check", Path: path, Version: version}}})
			add(step{Do: "multiRead", Ops: []step{{Do: "getChildren", Path: "/d/nope"}}})
		}
	}
	return script
}

func edgesOfACLs(prefix string) (script []step) {
	acls := []string{"", "31:world:everyone", "31:auth:", "31:nope:x", "31:digest:a", "31:digest:a:", "31:digest::b", "31:digest:a:b:c",
		"31:digest:a:b::", "31:ip:127.0.0.1", "31:ip:127.0.0.1/8", "31:ip:127.0.0.1/33", "31:ip:127.0.0", "31:ip:10.0.0.0/8", "31:ip:::1",
		"31:ip:127.0.0.1/", "31:ip:127.0.0.01", "31:ip:::1/64", "31:world:anyone,31:world:anyone", "0:world:anyone", "64:world:anyone",
		"1:world:anyone,31:digest:a:b", "31:super:", "31:sasl:a", "31:x509:a", "31::", "16:world:anyone,1:auth:", "31:digest:a:b,31:world:anyone"}
	for i, acl := range acls {
		path := fmt.Sprint("/d/", prefix, i)
		script = append(script,
			step{Do: "create", Path: path, ACL: acl},
			step{Do: "getACL", Path: path},
			step{Client: 1, Do: "getACL", Path: path},
			step{Do: "getData", Path: path},
			step{Do: "setData", Path: path, Version: -1},
			step{Do: "create", Path: path + "/x", ACL: openWorld},
			step{Do: "delete", Path: path + "/x", Version: -1},
			step{Do: "setACL", Path: path, ACL: openWorld, Version: -1},
			step{Do: "setACL", Path: path, ACL: acl, Version: 3},
			step{Do: "setACL", Path: path, ACL: acl, Version: 1},
			step{Do: "getACL", Path: path})
	}
	return script
}

func edgesOfAuth() (script []step) {
	for _, data := range []string{"user:secret", "user:secret", "nocolon", "", ":", "a:b"} {
		script = append(script, step{Do: "auth", Scheme: "digest", Data: data}, step{Do: "whoAmI"})
	}
	script = append(script, step{Do: "auth", Scheme: "ip", Data: "x"}, step{Do: "whoAmI"})
	script = append(script, edgesOfACLs("auth")...)
	for i, scheme := range []string{"world", "auth", "sasl", "x509", "super", "nope", ""} {
		script = append(script, step{Client: 1 + i%2, Do: "auth", Scheme: scheme, Data: "x"}, step{Client: 1 + i%2, Do: "whoAmI"})
	}
	return append(script, step{Do: "auth", Scheme: "digest", Data: superPassword}, step{Do: "whoAmI"},
		step{Do: "create", Path: "/d/super", ACL: "31:auth:"}, step{Do: "getACL", Path: "/d/super"})
}

func edgesOfWatches() (script []step) {
	for kind := int32(-1); kind < 6; kind++ {
		script = append(script, step{Do: "addWatch", Path: fmt.Sprint("/d/w", kind), Kind: kind})
	}
	script = append(script, step{Do: "getData", Path: "/d", Watch: true})
	for kind := int32(-1); kind < 8; kind++ {
		for _, path := range []string{"/d", "/d/w0", "/d/w1", "/d/nope", "", "x"} {
			for _, op := range []string{"checkWatches", "removeWatches", "checkWatches"} {
				script = append(script, step{Do: op, Path: path, Kind: kind})
			}
		}
	}
	for _, path := range []string{"x", "/d/", "/d/a\x00b"} {
		script = append(script, step{Do: "addWatch", Path: path}, step{Do: "exists", Path: path, Watch: true},
			step{Do: "getData", Path: path, Watch: true}, step{Do: "checkWatches", Path: path, Kind: 3})
	}
	return script
}

func edgesOfMultis() (script []step) {
	for flags := range int32(7) {
		for _, op := range creates {
			if (op == "createContainer") != (flags == 4) || (op == "createTTL") != (flags >= 5) {
				continue // no client sends these, and a real server misreads them
			}
			path := fmt.Sprintf("/d/multi-%v-%d", op, flags)
			script = append(script,
				step{Do: "multi", Ops: []step{{Do: op, Path: path, ACL: openWorld, Flags: flags, TTL: 500000}}},
				step{Do: "create", Path: path + "/child", ACL: openWorld, Flags: 1})
		}
	}
	script = append(script, step{Do: "create", Path: "/d/hidden", ACL: "16:world:anyone"})
	get, list := step{Do: "getData", Path: "/d"}, step{Do: "getChildren", Path: "/d/hidden"}
	miss, check := step{Do: "getData", Path: "/d/nope"}, step{Do: "check", Path: "/d", Version: -1}
	for _, op := range []string{"multi", "multiRead"} {
		for _, ops := range [][]step{{}, {get, list, miss}, {check}, {check, get}, {get, check}} {
			script = append(script, step{Do: op, Ops: ops})
		}
	}
	for _, ops := range [][]step{
		{{Do: "create", Path: "/d/a", ACL: openWorld}, {Do: "create", Path: "/d/a/b", ACL: openWorld}, {Do: "delete", Path: "/d/a", Version: -1}},
		{{Do: "create", Path: "/d/a", ACL: openWorld}, {Do: "setData", Path: "/d/a", Version: 0}, {Do: "check", Path: "/d/a", Version: 1}, {Do: "delete", Path: "/d/a", Version: 1}},
		{{Do: "create", Path: "/d/s-", ACL: openWorld, Flags: 2}, {Do: "create", Path: "/d/s-", ACL: openWorld, Flags: 2}, {Do: "check", Path: "/d/nope"}},
		{{Do: "create", Path: "/d/s-", ACL: openWorld, Flags: 3}, {Do: "delete", Path: "/d/s-0000000099", Version: -1}},
		{{Do: "create", Path: "/d/e", ACL: openWorld, Flags: 1}, {Do: "create", Path: "/d/e/x", ACL: openWorld}},
		{{Do: "create", Path: "/d/x", ACL: "31:nope:"}, {Do: "create", Path: "", ACL: openWorld}},
		{{Do: "check", Path: "/d/hidden", Version: -1}},
		{{Do: "delete", Path: "/", Version: -1}},
		{{Do: "setACL", Path: "/d", ACL: openWorld}},
	} {
		script = append(script, step{Do: "multi", Ops: ops}, step{Do: "getChildren2", Path: "/d"})
	}
	return script
}

// edgesOfRecords returns bodies that are too short and lengths that are wrong.
func edgesOfRecords() (script []step) {
	for _, op := range []string{"create", "create2", "createContainer", "createTTL", "delete", "deleteContainer", "setData", "multi", "exists", "getData",
		"getACL", "setACL", "getChildren", "getChildren2", "setWatches", "setWatches2", "addWatch", "checkWatches", "removeWatches", "multiRead", "sync",
		"getEphemerals", "getAllChildrenNumber", "reconfig"} {
		if op == "exists" || strings.HasPrefix(op, "get") {
			script = append(script, step{Do: op, Raw: "fffffffe"})
			continue // it would be read as a path of the root, which other scripts have changed
		}
		for _, raw := range []string{"00", "7fffffff", "ffffffff", "fffffffe", "000000022f", "00000001" + "2f" + "7fffffff"} {
			script = append(script, step{Do: op, Raw: raw})
		}
	}
	return script
}

func edgesOfCodes() []step {
	return []step{
		{Do: "create", Path: "/d/a", ACL: openWorld},
		{Do: "check", Path: "/d/a", Version: 9}, {Do: "check", Path: "/d/nope"},
		{Do: "delete", Path: "/d/a", Version: 9}, {Do: "delete", Path: "/d/nope"},
		{Do: "reconfig", Raw: "ffffffffffffffffffffffffffffffffffffffff"},
		{Do: "op(150)"}, {Do: "op(23)"}, {Do: "op(99)"}, {Do: "whoAmI"}, {Do: "notification"}, {Do: "error"},
		{Do: "exists", Path: "/d/a"}, {Do: "exists", Path: "/d/a"},
		{Do: "sasl", Raw: "00000000"}, {Do: "sasl", Raw: "00000001ff"}, {Do: "exists", Path: "/d/a"},
	}
}

// edgesOfPositions returns transactions that fail at each of their operations in each way.
// They must not have any effect.
func edgesOfPositions() []step {
	script := []step{{Do: "create", Path: "/d/e", ACL: openWorld, Flags: 1}, {Do: "create", Path: "/d/read", ACL: "1:world:anyone"},
		{Client: 1, Do: "addWatch", Path: "/d", Kind: 1}, {Client: 2, Do: "getChildren", Path: "/d", Watch: true}}
	for _, fails := range []step{
		{Do: "check", Path: "/d", Version: 9}, {Do: "check", Path: "/d/nope"}, {Do: "create", Path: "/d/e", ACL: openWorld},
		{Do: "create", Path: "/d/e/x", ACL: openWorld}, {Do: "create", Path: "/d/x", ACL: "31:nope:x"}, {Do: "create", Path: "/d/../x", ACL: openWorld},
		{Do: "setData", Path: "/d/read"}, {Do: "delete", Path: "/d/read/x"}, {Do: "delete", Path: "/d", Version: -1}, {Do: "create2", Path: "/nope/x", ACL: openWorld},
	} {
		good := []step{{Do: "create", Path: "/d/a", ACL: openWorld, Flags: 1}, {Do: "setData", Path: "/d", Version: -1, Data: "new"},
			{Do: "create", Path: "/d/s-", ACL: openWorld, Flags: 2}, {Do: "delete", Path: "/d/a", Version: 0}}
		for at := range len(good) + 1 {
			ops := append(append(append([]step(nil), good[:at]...), fails), good[at:]...)
			script = append(script, step{Do: "multi", Ops: ops}, step{Do: "getChildren2", Path: "/d"})
		}
	}
	return append(script, step{Do: "create", Path: "/d/s-", ACL: openWorld, Flags: 2}, step{Do: "getEphemerals", Path: "/"})
}

func edgesOfQuotas() (script []step) {
	const quota = "/zookeeper/quota/d"
	stats := step{Do: "getData", Path: quota + "/q/zookeeper_stats", Watch: true}
	create := func(path, data string) step { return step{Do: "create", Path: path, Data: data, ACL: openWorld} }
	script = []step{create("/d/q", "12"), create("/d/q/a", "345"), create(quota, ""), create(quota+"/q", ""),
		create(quota+"/q/zookeeper_limits", "count=2,bytes=5"), create(quota+"/q/zookeeper_stats", "count=0,bytes=0")}
	for _, st := range []step{
		create("/d/q/b", "6789"), create("/d/quite", "x"), {Do: "setData", Path: "/d/q/a", Version: -1, Data: "a"},
		{Do: "setData", Path: "/d/q", Version: -1}, {Do: "delete", Path: "/d/q/b", Version: -1},
		{Do: "multi", Ops: []step{create("/d/q/c", "c"), {Do: "delete", Path: "/d/q/a", Version: -1}}},
		{Do: "multi", Ops: []step{create("/d/q/d", "c"), create("/d/q/e/f", "")}},
		{Do: "setData", Path: quota + "/q/zookeeper_stats", Data: "count=7,bytes=8=;x=9", Version: -1}, create("/d/q/g", "gg"),
		{Do: "delete", Path: quota + "/q/zookeeper_limits", Version: -1}, create("/d/q/h", "h"),
	} {
		script = append(script, st, stats)
	}
	return script
}
