package zktest_test

import (
	"strings"

	"pgregory.net/rapid"
)

var (
	anyPath = rapid.SampledFrom([]string{"/d/a", "/d/b", "/d/c", "/d/a/x", "/d/a/y", "/d/b/x", "/d/b/x/deep", "/d/a/s-", "/d/e",
		"/d/a/s-0000000000", "/d/a/s-0000000001", "/d"})
	anyVersion = rapid.SampledFrom([]int32{-1, -1, -1, 0, 1, 2})
	anyACL     = rapid.SampledFrom([]string{openWorld, openWorld, openWorld, openWorld, openWorld, openWorld, "31:auth:", "1:world:anyone",
		"30:world:anyone", "31:digest:u1:BDnXQ9GK0sfB27lp7Gl4qvbPYo0=", "13:world:anyone,18:auth:", "31:ip:127.0.0.1", "", "31:nope:x"})
	anyKind = rapid.SampledFrom([]int32{1, 2, 3, 3, 4, 5, 9})
	anyData = rapid.SampledFrom([]string{"", "1", "two"})
	anyWho  = rapid.SampledFrom([]string{"u1:p1", "u2:p2", "u1:other"})
)

var aWrite = rapid.Custom(func(t *rapid.T) step {
	st := step{Path: anyPath.Draw(t, "path")}
	switch rapid.SampledFrom([]string{"create", "create", "create", "create2", "createContainer", "createTTL", "setData", "delete", "delete"}).Draw(t, "write") {
	case "create":
		st.Do, st.Flags = "create", rapid.SampledFrom([]int32{0, 0, 0, 1, 1, 2, 3}).Draw(t, "flags")
	case "create2":
		st.Do, st.Flags = "create2", rapid.SampledFrom([]int32{0, 1, 2, 3, 4}).Draw(t, "flags")
	case "createContainer":
		st.Do, st.Flags = "createContainer", 4
	case "createTTL":
		st.Do, st.TTL, st.Flags = "createTTL", 500000, rapid.SampledFrom([]int32{5, 6}).Draw(t, "flags")
	case "setData":
		st.Do, st.Version, st.Data = "setData", anyVersion.Draw(t, "version"), anyData.Draw(t, "data")
		return st
	case "delete":
		st.Do, st.Version = "delete", anyVersion.Draw(t, "version")
		return st
	}
	if st.Path == "/d" && (st.Flags == 2 || st.Flags == 3 || st.Flags == 6) {
		st.Path = "/d/" // the sequence numbers of the root's children continue in later scripts
	}
	st.ACL, st.Data = anyACL.Draw(t, "acl"), anyData.Draw(t, "data")
	return st
})

var anOperationOfAMulti = rapid.Custom(func(t *rapid.T) step {
	if rapid.IntRange(0, 4).Draw(t, "check") == 0 {
		return step{Do: "check", Path: anyPath.Draw(t, "path"), Version: anyVersion.Draw(t, "version")}
	}
	return aWrite.Draw(t, "write")
})

var aRead = rapid.Custom(func(t *rapid.T) step {
	st := step{Path: anyPath.Draw(t, "path")}
	switch st.Do = rapid.SampledFrom([]string{"exists", "exists", "getData", "getData", "getChildren", "getChildren2", "getChildren2",
		"getACL", "sync", "getEphemerals", "getAllChildrenNumber"}).Draw(t, "read"); st.Do {
	case "exists", "getData", "getChildren", "getChildren2":
		st.Watch = rapid.IntRange(0, 2).Draw(t, "watch") > 0
	}
	return st
})

var aWatch = rapid.Custom(func(t *rapid.T) step {
	st := step{Path: anyPath.Draw(t, "path")}
	switch st.Do = rapid.SampledFrom([]string{"addWatch", "addWatch", "removeWatches", "checkWatches", "setWatches", "setWatches2"}).Draw(t, "watch"); st.Do {
	case "addWatch":
		st.Kind = rapid.Int32Range(0, 1).Draw(t, "mode")
	case "removeWatches", "checkWatches":
		st.Kind = anyKind.Draw(t, "kind")
	default:
		st.Path = ""
		st.Since = rapid.Int64Range(0, 12).Draw(t, "since")
		kinds := []string{"d", "e", "c"}
		if st.Do == "setWatches2" {
			kinds = append(kinds, "p", "r")
		}
		var list []string
		for range rapid.IntRange(1, 4).Draw(t, "n") {
			list = append(list, rapid.SampledFrom(kinds).Draw(t, "kind")+anyPath.Draw(t, "path"))
		}
		st.Paths = strings.Join(list, ",")
	}
	return st
})

var aStep = rapid.Custom(func(t *rapid.T) (st step) {
	switch n := rapid.IntRange(0, 99).Draw(t, "what"); {
	case n < 38:
		st = aWrite.Draw(t, "write")
	case n < 66:
		st = aRead.Draw(t, "read")
	case n < 78:
		st = aWatch.Draw(t, "watch")
	case n < 88:
		st = step{Do: "multi", Ops: rapid.SliceOfN(anOperationOfAMulti, 0, 5).Draw(t, "ops")}
	case n < 90:
		st = step{Do: "multiRead", Ops: rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			return step{Do: rapid.SampledFrom([]string{"getData", "getChildren"}).Draw(t, "read"), Path: anyPath.Draw(t, "path")}
		}), 0, 4).Draw(t, "ops")}
	case n < 93:
		st = step{Do: "setACL", Path: anyPath.Draw(t, "path"), ACL: anyACL.Draw(t, "acl"), Version: anyVersion.Draw(t, "version")}
	case n < 95:
		st = step{Do: "auth", Scheme: "digest", Data: anyWho.Draw(t, "who")}
	case n < 96:
		st = step{Do: "whoAmI"}
	default:
		st = step{Do: rapid.SampledFrom([]string{doRenew, doReconnect, doReconnect, doMove}).Draw(t, "fate")}
	}
	return st
})

// aScript generates a script of up to three clients, with several steps of one client in a
// row. Sessions rarely expire in it, because that takes time.
var aScript = rapid.Custom(func(t *rapid.T) (script []step) {
	for range 24 { // shrinking removes most of them
		client := rapid.IntRange(0, scriptClients-1).Draw(t, "client")
		for _, st := range rapid.SliceOfN(aStep, 0, 12).Draw(t, "steps") {
			st.Client = client
			script = append(script, st)
		}
	}
	if rapid.IntRange(0, 19).Draw(t, "expiry") == 19 {
		at := rapid.IntRange(0, len(script)).Draw(t, "at")
		away := step{Client: rapid.IntRange(0, scriptClients-1).Draw(t, "who"), Do: doExpire}
		script = append(script[:at:at], append([]step{away}, script[at:]...)...)
	}
	return script
})
