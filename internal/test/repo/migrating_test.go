package repo

import (
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/zkrecipes/zkrecipes/internal/test/foreign"
	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// migrating begins the paths of the pages for users of other libraries. Each has the same
// program with the other library and with this module, in this order.
const migrating = "docs/migrating/"

// lockPath is the path at which the programs own.
const lockPath = "/app/report"

// beforeAndAfter returns the two programs of a page.
func beforeAndAfter(t *testing.T, page string) (before, after snippet) {
	t.Helper()
	all := slices.DeleteFunc(snippets(t, migrating+page), func(s snippet) bool { return s.language == "sh" })
	if len(all) != 2 || all[1].language != "go" {
		t.Fatalf("%s does not have two programs", page)
	}
	return all[0], all[1]
}

// starter starts a program, which connects to the server at addr.
type starter func(t *testing.T, addr string) *foreign.Program

func executable(name string) starter {
	return func(t *testing.T, addr string) *foreign.Program { return foreign.Start(t, name, addr) }
}

// owns checks that a program writes that it owns.
func owns(t *testing.T, line string) {
	t.Helper()
	if !strings.HasPrefix(line, "holding") && !strings.HasPrefix(line, "leading") {
		t.Errorf("the program wrote %q", line)
	}
}

// lines receives the lines that a program writes.
func lines(p *foreign.Program) <-chan string {
	c := make(chan string)
	go func() {
		defer close(c)
		for line := range p.Lines() {
			c <- line
		}
	}()
	return c
}

// excludeEachOther checks that two programs wait for each other.
func excludeEachOther(t *testing.T, before, after starter) {
	t.Run("after waits for before", func(t *testing.T) { waitsFor(t, after, before) })
	t.Run("before waits for after", func(t *testing.T) { waitsFor(t, before, after) })
}

// waitsFor checks that second waits while first owns, and owns when first has ended.
func waitsFor(t *testing.T, second, first starter) {
	srv := zktest.New(t)
	s := srv.Session(t)
	holder := first(t, srv.Addr())
	holderLines := lines(holder)
	owns(t, testkit.Receive(t, holderLines))
	node := path.Join(lockPath, testkit.Children(t, s, lockPath)[0])
	stat, _, err := s.Exists(t.Context(), node)
	if err != nil {
		t.Fatal(err)
	}
	asked := make(chan struct{}, 1)
	defer srv.Fault(func(r zktest.Request) zktest.Fault {
		if r.Path == node && r.Session != stat.Owner() {
			select {
			case asked <- struct{}{}:
			default:
			}
		}
		return zktest.Pass
	})()

	waiter := second(t, srv.Addr())
	waiterLines := lines(waiter)
	select {
	case line := <-waiterLines:
		t.Errorf("the second program wrote %q while the first one owned", line)
	case <-asked: // it watches the node of the first one
	}
	if t.Failed() {
		return
	}
	enter(t, holder)
	owns(t, testkit.Receive(t, waiterLines))
	if _, exists, err := s.Exists(t.Context(), node); exists || err != nil {
		t.Errorf("the second program owns beside the node of the first one (%v)", err)
	}
	enter(t, waiter)
	ended(t, holderLines)
	ended(t, waiterLines)
}

// enter ends a program's work.
func enter(t *testing.T, p *foreign.Program) {
	t.Helper()
	if err := p.Send(""); err != nil {
		t.Error(err)
	}
}

// ended waits until a program has ended.
func ended(t *testing.T, lines <-chan string) {
	t.Helper()
	for line := range lines {
		t.Errorf("the program wrote %q after its work", line)
	}
}

func TestMigratingFromGoZookeeper(t *testing.T) {
	inRoot(t)
	before, after := beforeAndAfter(t, "go-zookeeper.md")
	programs := build(t, before, after)
	excludeEachOther(t, executable(programs[0]), executable(programs[1]))
}

// The programs that have no counterpart in Go run, and wait for each other. The tests
// with the build tag interop run them beside their counterparts.
func TestMigratingFromOtherLanguages(t *testing.T) {
	inRoot(t)
	for _, page := range []string{"curator.md", "kazoo.md"} {
		t.Run(page, func(t *testing.T) {
			_, after := beforeAndAfter(t, page)
			start := executable(build(t, after)[0])
			waitsFor(t, start, start)
		})
	}
}

func TestMigratingFromEtcd(t *testing.T) {
	inRoot(t)
	_, after := beforeAndAfter(t, "etcd.md")
	srv := zktest.New(t)
	p := foreign.Start(t, build(t, after)[0], srv.Addr())
	ended(t, lines(p))
	s := srv.Session(t)
	data, _, err := s.Get(t.Context(), "/app/last-report")
	if err != nil || string(data) != "done" {
		t.Errorf("the program has written %q (%v)", data, err)
	}
	if _, _, err := s.Get(t.Context(), lockPath); err != nil {
		t.Errorf("the program has not used a lock at %s: %v", lockPath, err)
	}
	if left := testkit.Children(t, s, lockPath); len(left) > 0 {
		t.Errorf("the program has left %v", left)
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)

// The links between documents lead to files, and the README links to each page of
// docs/migrating.
func TestLinks(t *testing.T) {
	inRoot(t)
	linked := make(map[string]bool) // from the README
	for _, doc := range documents(t) {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllSubmatch(text, -1) {
			target := path.Join(path.Dir(doc), string(m[1]))
			if _, err := os.Stat(target); err != nil {
				t.Errorf("%s: %v", doc, err)
			}
			if doc == "README.md" {
				linked[target] = true
			}
		}
	}
	pages := 0
	for _, doc := range documents(t) {
		if strings.HasPrefix(doc, migrating) {
			pages++
			if !linked[doc] {
				t.Errorf("README.md does not link to %s", doc)
			}
		}
	}
	if pages < 4 {
		t.Errorf("there are only %d pages", pages)
	}
}
