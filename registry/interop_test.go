//go:build interop

package registry_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/internal/test/foreign"
	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
)

// Curator and this package share a base path: each finds what the other has
// registered, sees it appear and disappear, and writes what the other would write.
func TestCuratorDiscovery(t *testing.T) {
	program := foreign.Compile(t, "testdata/interop/Discovery.java", "testdata/interop/ZookeeperInstance.java")
	foreign.EachServer(t, func(t *testing.T, s *session.Session, connect string) {
		together(t, s, program.Start(t, connect))
	})
}

func together(t *testing.T, s *session.Session, java *foreign.Program) {
	r := registry.New(s, root, registry.WithMalformedHandler(func(err error) { t.Error(err) }))
	w := watch(t, r, "web")
	w.until("")

	// Curator's, with all that it can write.
	java.Wants("watch web 0", "[]")
	java.Wants("register j1 8443 typed {scheme}://{address}:{ssl-port}/{name}{[}{]} true", "ok")
	w.until("j1")
	java.Wants("register j2 - pl - true", "ok")
	w.until("j1 j2")
	java.Wants("watch web 2", "[j1, j2]")
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
		java.Wants("bytes web "+in.ID+" old", get(t, s, root+"/web/"+in.ID))
		if in.ID == "g1" {
			java.Wants("typed web g1", `web g1 10.1.1.1 8080 8443 Pay(xé"\/<&>`+"\x01"+`,7) 1767225600000 DYNAMIC true https://10.1.1.1:8443/web{}`)
		}
		defer deregister(t, g)
	}
	java.Wants("watch web 4", "[g1, g2, j1, j2]")
	java.Wants("names", "[web]")

	// The newer mode, and an instance that is disabled in either.
	for _, enabled := range []bool{false, true} {
		var opts []registry.Option
		if enabled {
			opts = append(opts, registry.WithEnabled())
		}
		g := register(t, registry.New(s, root, opts...), registry.Instance{Service: "off", ID: "x", Addr: "[::1]:1", Registered: newYear, Disabled: true})
		java.Wants("list off", "off x ::1 1 null null 1767225600000 DYNAMIC false ")
		java.Wants("bytes off x new", get(t, s, root+"/off/x"))
		java.Wants("provide off", "[]")
		if err := g.Update(t.Context(), registry.Instance{Addr: "[::1]:1"}); err != nil {
			t.Fatal(err)
		}
		mode := map[bool]string{true: "new", false: "old"}[enabled]
		java.Wants("bytes off x "+mode, get(t, s, root+"/off/x"))
		java.Wants("provide off", "[x]")
		deregister(t, g)
	}
	java.Wants("register j3 - - - false", "ok") // Curator's own default is not to write it
	java.Wants("unregister j3", "ok")

	// Metadata without a class are a map in Java.
	g := register(t, r, registry.Instance{Service: "meta", ID: "m", Addr: "a:1", Registered: newYear, Meta: map[string]string{"k": "v"}, Weight: 2})
	java.Wants("list meta", "meta m a 1 null {k=v, weight=2} 1767225600000 DYNAMIC true ")
	deregister(t, g)

	// Spring Cloud's payload.
	spring := registry.New(s, root, registry.WithLayout(registry.Spring))
	g = register(t, spring, registry.Instance{Service: "shop", ID: "s1", Addr: "h:80", Meta: map[string]string{"zone": "a"}})
	java.Wants("spring s2", "ok")
	shop := watch(t, spring, "shop")
	shop.until("s1 s2")
	list = lookup(t, spring, "shop")
	if in := list[1]; in.Meta["zone"] != "b" || in.Disabled || in.Addr != "10.1.1.1:80" || in.URI(nil) != "http://10.1.1.1:80" || len(in.Meta) != 1 {
		t.Errorf("Spring Cloud's instance is %+v", in)
	}
	java.Wants("springread s1", "s1 shop {instance_status=UP, zone=a} http://h:80")
	shop.close()
	deregister(t, g)

	// Curator's watch sees an update and a departure, ours an unregistering.
	g = register(t, r, registry.Instance{ID: "g3"})
	java.Wants("watch web 5", "[g1, g2, g3, j1, j2]")
	deregister(t, g)
	java.Wants("watch web 4", "[g1, g2, j1, j2]")
	java.Wants("unregister j1", "ok")
	w.until("g1 g2 j2")
	java.Wants("unregister j2", "ok")
	w.until("g1 g2")
	w.close()
}
