//go:build interop

package zktest_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// commands holds the commands of zkCli.sh.
const commands = `ls /
create /z data
create -s /z/s- 1
create -e /z/e
create -c /z/c
create -t 60000 /z/t
create /z
get /z
get -s /z
set /z other
set -v 7 /z wrong
stat /z
ls -R /z
ls -s /z
getAllChildrenNumber /z
getEphemerals /z
addauth digest joe:secret
create /z/private x auth::cdrwa
getAcl /z/private
setAcl /z/private world:anyone:r
getAcl -s /z/private
setAcl /z/private world:anyone:cdrwa
addWatch -m PERSISTENT /z/t
set /z/t 2
removewatches /z/t
sync /z
setquota -n 10 /z/c
listquota /z/c
create /z/c/child abc
listquota /z/c
ls /zookeeper/quota/z/c
delquota -n /z/c
ls /zookeeper/quota
config
reconfig -remove 3
get /zookeeper/config
delete /z/nope
delete /z
version
deleteall /z
ls /
quit
`

// volatile matches what differs between servers and runs.
var volatile = regexp.MustCompile(`(?m)^([cmp]Zxid|[cm]time|ephemeralOwner) = .*$|0x[0-9a-f]+|localhost|127\.0\.0\.1:\d+|\d{4}-\d\d-\d\d.*`)

func TestZooKeeperCommandLine(t *testing.T) {
	t.Parallel()
	real, own := grounds(t)
	want, wantEvents := typed(t, real)
	got, gotEvents := typed(t, own)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("real -, zktest +:\n%s", diff)
	}
	if diff := cmp.Diff(wantEvents, gotEvents); diff != "" {
		t.Errorf("events, real -, zktest +:\n%s", diff)
	}
	if len(want) < 70 || len(wantEvents) < 3 {
		t.Errorf("only %d lines: %q, and events %q", len(want), want, wantEvents)
	}
}

// typed runs the commands, and separates the answers from the events, which may come at any
// time.
func typed(t *testing.T, addr string) (answers, events []string) {
	out := output(t, commands, "/usr/share/zookeeper/bin/zkCli.sh", "-server", addr)
	for line := range strings.Lines(volatile.ReplaceAllString(out, "?")) {
		switch line = strings.TrimSpace(line); {
		case line == "", line == "WATCHER::", strings.Contains(line, "state:Closed"): // which is not always printed
		case strings.HasPrefix(line, "WatchedEvent"):
			events = append(events, line)
		default:
			answers = append(answers, line)
		}
	}
	return answers, events
}
