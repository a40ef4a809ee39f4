//go:build interop

package registry_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// curator is Curator's ServiceDiscovery, in a process of its own. ask sends it a
// line and returns the line of the answer.
type curator struct {
	testing.TB
	in  io.Writer
	out *bufio.Scanner
}

func startCurator(t *testing.T, classPath, connect string) *curator {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testkit.Limit)
	cmd := exec.CommandContext(ctx, "java", "-Xshare:auto", "-XX:TieredStopAtLevel=1", "-Dfile.encoding=UTF-8", "-Dstdout.encoding=UTF-8", "-cp", classPath, "Discovery", connect)
	var errs strings.Builder
	cmd.Stderr = &errs
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		defer cancel()
		in.Close()
		if err := cmd.Wait(); err != nil || t.Failed() {
			t.Errorf("Curator: %v\n%s", err, errs.String())
		}
	})
	return &curator{t, in, bufio.NewScanner(out)}
}

func (c *curator) ask(line string) string {
	c.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		c.Fatal(err)
	}
	if !c.out.Scan() {
		c.Fatalf("no answer to %q (%v)", line, c.out.Err())
	}
	return c.out.Text()
}

func (c *curator) wants(line, want string) {
	c.Helper()
	if got := c.ask(line); got != want {
		c.Errorf("%s: it says\n%s, not\n%s", line, got, want)
	}
}

func compiled(t *testing.T) (classPath string) {
	t.Helper()
	dir := t.TempDir()
	var jars []string
	for _, jar := range []string{"curator-x-discovery", "curator-recipes", "curator-framework", "curator-client", "zookeeper", "zookeeper-jute",
		"guava", "slf4j-nop", "jackson-core", "jackson-databind", "jackson-annotations"} {
		jars = append(jars, filepath.Join("/usr/share/java", jar+".jar"))
	}
	classPath = strings.Join(append(jars, dir), ":")
	cmd := exec.Command("javac", "-encoding", "UTF-8", "-cp", classPath, "-d", dir, "testdata/interop/Discovery.java", "testdata/interop/ZookeeperInstance.java")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return classPath
}

// Curator and this package share a base path: each finds what the other has
// registered, sees it come and go, and writes what the other would.
func TestCuratorDiscovery(t *testing.T) {
	classPath := compiled(t)
	t.Run("on a real server", func(t *testing.T) {
		c := zktest.Ensemble(t, 1, zktest.WithTick(200*time.Millisecond))
		together(t, classPath, c.Connect())
	})
	t.Run("on zktest", func(t *testing.T) {
		together(t, classPath, zktest.New(t, zktest.WithTick(200*time.Millisecond)).Addr())
	})
}

func together(t *testing.T, classPath, connect string) {
	java := startCurator(t, classPath, connect)
	s, err := session.Connect(t.Context(), connect)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(context.Background()) })
	r := registry.New(s, root, registry.WithMalformedHandler(func(err error) { t.Error(err) }))
	w := watch(t, r, "web")
	w.until("")

	// Curator's, with all that it can write.
	java.wants("watch web 0", "[]")
	java.wants("register j1 8443 typed {scheme}://{address}:{ssl-port}/{name}{[}{]} true", "ok")
	w.until("j1")
	java.wants("register j2 - pl - true", "ok")
	w.until("j1 j2")
	java.wants("watch web 2", "[j1, j2]")
	list := lookup(t, r, "web")
	payload := json.RawMessage(`{"@class":"Discovery$Pay","a":"xé\"\\/<&>\u0001","n":7}`)
	want := []registry.Instance{
		{Service: "web", ID: "j1", Addr: "10.1.1.1:8080", TLSPort: 8443, Meta: map[string]string{"a": "xé\"\\/<&>\x01"}, Payload: payload,
			URISpec: "{scheme}://{address}:{ssl-port}/{name}{[}{]}", Registered: newYear},
		{Service: "web", ID: "j2", Addr: "10.1.1.1:8080", Payload: json.RawMessage(`"pl"`), Registered: newYear},
	}
	if diff := cmp.Diff(want, list); diff != "" {
		t.Fatalf("what Curator has registered (-want +got):\n%s", diff)
	}
	if got := list[0].URI(nil); got != "https://10.1.1.1:8443/web{}" {
		t.Errorf("the URI is %s", got)
	}

	// The same, registered by this package, in the same bytes.
	for _, in := range list {
		theirs := get(t, s, root+"/web/"+in.ID)
		in.ID = strings.Replace(in.ID, "j", "g", 1)
		g := register(t, r, in)
		if ours, theirs := get(t, s, root+"/web/"+in.ID), strings.Replace(theirs, `"id":"j`, `"id":"g`, 1); ours != theirs {
			t.Errorf("this package writes\n%s, and Curator\n%s", ours, theirs)
		}
		java.wants("bytes web "+in.ID+" old", get(t, s, root+"/web/"+in.ID))
		if in.ID == "g1" {
			java.wants("typed web g1", `web g1 10.1.1.1 8080 8443 Pay(xé"\/<&>`+"\x01"+`,7) 1767225600000 DYNAMIC true https://10.1.1.1:8443/web{}`)
		}
		defer deregister(t, g)
	}
	java.wants("watch web 4", "[g1, g2, j1, j2]")
	java.wants("names", "[web]")

	// The newer mode, and an instance that is disabled in either.
	for _, enabled := range []bool{false, true} {
		var opts []registry.Option
		if enabled {
			opts = append(opts, registry.WithEnabled())
		}
		g := register(t, registry.New(s, root, opts...), registry.Instance{Service: "off", ID: "x", Addr: "[::1]:1", Registered: newYear, Disabled: true})
		java.wants("list off", "off x ::1 1 null null 1767225600000 DYNAMIC false ")
		java.wants("bytes off x new", get(t, s, root+"/off/x"))
		java.wants("provide off", "[]")
		if err := g.Update(t.Context(), registry.Instance{Addr: "[::1]:1"}); err != nil {
			t.Fatal(err)
		}
		mode := map[bool]string{true: "new", false: "old"}[enabled]
		java.wants("bytes off x "+mode, get(t, s, root+"/off/x"))
		java.wants("provide off", "[x]")
		deregister(t, g)
	}
	java.wants("register j3 - - - false", "ok") // Curator's own default is not to write it
	java.wants("unregister j3", "ok")

	// Metadata without a class are a map in Java.
	g := register(t, r, registry.Instance{Service: "meta", ID: "m", Addr: "a:1", Registered: newYear, Meta: map[string]string{"k": "v"}, Weight: 2})
	java.wants("list meta", "meta m a 1 null {k=v, weight=2} 1767225600000 DYNAMIC true ")
	deregister(t, g)

	// Spring Cloud's payload.
	spring := registry.New(s, root, registry.WithLayout(registry.Spring))
	g = register(t, spring, registry.Instance{Service: "shop", ID: "s1", Addr: "h:80", Meta: map[string]string{"zone": "a"}})
	java.wants("spring s2", "ok")
	shop := watch(t, spring, "shop")
	shop.until("s1 s2")
	list = lookup(t, spring, "shop")
	if in := list[1]; in.Meta["zone"] != "b" || in.Disabled || in.Addr != "10.1.1.1:80" || in.URI(nil) != "http://10.1.1.1:80" || len(in.Meta) != 1 {
		t.Errorf("Spring Cloud's instance is %+v", in)
	}
	java.wants("springread s1", "s1 shop {instance_status=UP, zone=a} http://h:80")
	shop.close()
	deregister(t, g)

	// Curator's watch sees an update and a departure, ours an unregistering.
	g = register(t, r, registry.Instance{ID: "g3"})
	java.wants("watch web 5", "[g1, g2, g3, j1, j2]")
	deregister(t, g)
	java.wants("watch web 4", "[g1, g2, j1, j2]")
	java.wants("unregister j1", "ok")
	w.until("g1 g2 j2")
	java.wants("unregister j2", "ok")
	w.until("g1 g2")
	w.close()
}
