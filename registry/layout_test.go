package registry_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/registry"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

var newYear = time.UnixMilli(1767225600000).UTC()

// layouts are instances, and the nodes that they are stored in.
var layouts = []struct {
	name string
	opts []registry.Option
	in   registry.Instance
	path string
	json string
	read registry.Instance // what is different when it is read again
}{
	{
		name: "curator",
		in: registry.Instance{
			Service: "svc", ID: "id-1", Addr: "10.0.0.1:8080", TLSPort: 8443, Registered: newYear,
			Meta: map[string]string{"a": "x"}, Payload: json.RawMessage(`{"n":7,"a":"old","gone":"old"}`),
			URISpec: "{scheme}://{address}:{port}/x",
		},
		opts: []registry.Option{registry.WithPayloadClass("Layout$Pay")},
		path: "/services/svc/id-1",
		json: `{"name":"svc","id":"id-1","address":"10.0.0.1","port":8080,"sslPort":8443,"payload":{"@class":"Layout$Pay","n":7,"a":"x"},"registrationTimeUTC":1767225600000,"serviceType":"DYNAMIC","uriSpec":{"parts":[{"value":"scheme","variable":true},{"value":"://","variable":false},{"value":"address","variable":true},{"value":":","variable":false},{"value":"port","variable":true},{"value":"/x","variable":false}]}}`,
		read: registry.Instance{Payload: json.RawMessage(`{"@class":"Layout$Pay","n":7,"a":"x"}`)},
	},
	{
		name: "curator, nothing but an address",
		in:   registry.Instance{Service: "svc", ID: "id-2", Addr: "10.0.0.1:8080", Registered: newYear},
		path: "/services/svc/id-2",
		json: `{"name":"svc","id":"id-2","address":"10.0.0.1","port":8080,"sslPort":null,"payload":null,"registrationTimeUTC":1767225600000,"serviceType":"DYNAMIC","uriSpec":null}`,
	},
	{
		name: "curator, of after 2015",
		in:   registry.Instance{Service: "svc", ID: "id-3", Addr: "[::1]:8080", Registered: newYear, Payload: json.RawMessage(`"pl"`)},
		opts: []registry.Option{registry.WithEnabled(), registry.WithPayloadClass("Layout$Pay")},
		path: "/services/svc/id-3",
		json: `{"name":"svc","id":"id-3","address":"::1","port":8080,"sslPort":null,"payload":"pl","registrationTimeUTC":1767225600000,"serviceType":"DYNAMIC","uriSpec":null,"enabled":true}`,
	},
	{
		name: "curator, disabled, with fields in the payload and an extra key",
		in: registry.Instance{Service: "svc", ID: "id-4", Addr: "a:1", Registered: newYear, Disabled: true, Version: "1.0", Weight: 3,
			Extra: map[string]json.RawMessage{"tag": json.RawMessage(`["t"]`)}},
		path: "/services/svc/id-4",
		json: `{"name":"svc","id":"id-4","address":"a","port":1,"sslPort":null,"payload":{"version":"1.0","weight":"3"},"registrationTimeUTC":1767225600000,"serviceType":"DYNAMIC","uriSpec":null,"enabled":false,"tag":["t"]}`,
		read: registry.Instance{Payload: json.RawMessage(`{"version":"1.0","weight":"3"}`)},
	},
	{
		name: "spring",
		in:   registry.Instance{Service: "shop", ID: "id-1", Addr: "h:80", Registered: newYear, Meta: map[string]string{"zone": "a"}, Weight: 2},
		opts: []registry.Option{registry.WithLayout(registry.Spring)},
		path: "/services/shop/id-1",
		json: `{"name":"shop","id":"id-1","address":"h","port":80,"sslPort":null,"payload":{"@class":"org.springframework.cloud.zookeeper.discovery.ZookeeperInstance","id":"id-1","name":"shop","metadata":{"instance_status":"UP","weight":"2","zone":"a"}},"registrationTimeUTC":1767225600000,"serviceType":"DYNAMIC","uriSpec":{"parts":[{"value":"scheme","variable":true},{"value":"://","variable":false},{"value":"address","variable":true},{"value":":","variable":false},{"value":"port","variable":true}]}}`,
		read: registry.Instance{URISpec: "{scheme}://{address}:{port}"},
	},
	{
		name: "spring, out of service",
		in:   registry.Instance{Service: "shop", ID: "id-2", Addr: "h:80", Registered: newYear, URISpec: "x", Disabled: true},
		opts: []registry.Option{registry.WithLayout(registry.Spring)},
		path: "/services/shop/id-2",
		json: `{"name":"shop","id":"id-2","address":"h","port":80,"sslPort":null,"payload":{"@class":"org.springframework.cloud.zookeeper.discovery.ZookeeperInstance","id":"id-2","name":"shop","metadata":{"instance_status":"OUT_OF_SERVICE"}},"registrationTimeUTC":1767225600000,"serviceType":"DYNAMIC","uriSpec":{"parts":[{"value":"x","variable":false}]},"enabled":false}`,
	},
	{
		name: "micro",
		in: registry.Instance{Service: "go/greeter", ID: "greeter/1", Addr: "10.0.0.1:99", Version: "latest", Meta: map[string]string{"protocol": "http"}, Weight: 5, Disabled: true,
			Extra: map[string]json.RawMessage{"endpoints": json.RawMessage(`[{"name":"Say.Hello"}]`)}},
		opts: []registry.Option{registry.WithLayout(registry.Micro)},
		path: "/micro-registry/go-greeter/greeter-1",
		json: `{"name":"go/greeter","version":"latest","metadata":null,"endpoints":[{"name":"Say.Hello"}],"nodes":[{"id":"greeter/1","address":"10.0.0.1:99","metadata":{"instance_status":"OUT_OF_SERVICE","protocol":"http","weight":"5"}}]}`,
	},
	{
		name: "kratos",
		in: registry.Instance{Service: "hello", ID: "1", Version: "v1", Meta: map[string]string{"k": "v"}, Weight: 100,
			Endpoints: []string{"http://127.0.0.1:8000?isSecure=false", "grpc://127.0.0.1:9000?isSecure=true"}},
		opts: []registry.Option{registry.WithLayout(registry.Kratos)},
		path: "/microservices/hello/1",
		json: `{"id":"1","name":"hello","version":"v1","metadata":{"k":"v","weight":"100"},"endpoints":["http://127.0.0.1:8000?isSecure=false","grpc://127.0.0.1:9000?isSecure=true"]}`,
		read: registry.Instance{Addr: "127.0.0.1:8000", TLSPort: 9000},
	},
	{
		name: "kratos, with an address",
		in:   registry.Instance{Service: "hello", ID: "2", Addr: "h:1", TLSPort: 2},
		opts: []registry.Option{registry.WithLayout(registry.Kratos)},
		path: "/microservices/hello/2",
		json: `{"id":"2","name":"hello","version":"","metadata":{},"endpoints":["grpc://h:1","grpcs://h:2"]}`,
		read: registry.Instance{Endpoints: []string{"grpc://h:1", "grpcs://h:2"}},
	},
	{
		name: "serverset",
		in: registry.Instance{Service: "job", ID: "member_0000000007", Addr: "h:31623", TLSPort: 443, Meta: map[string]string{"shard": "7"},
			Endpoints: []string{"aurora://h:31863", "health://h:31864"}},
		opts: []registry.Option{registry.WithLayout(registry.ServerSet)},
		path: "/serversets/job/member_0000000007",
		json: `{"serviceEndpoint":{"host":"h","port":31623},"additionalEndpoints":{"aurora":{"host":"h","port":31863},"health":{"host":"h","port":31864},"https":{"host":"h","port":443}},"status":"ALIVE","shard":7}`,
	},
	{
		name: "serverset, stopped, with metadata",
		in:   registry.Instance{Service: "job", ID: "member_0000000008", Addr: "h:1", Disabled: true, Version: "2", Weight: 4},
		opts: []registry.Option{registry.WithLayout(registry.ServerSet)},
		path: "/serversets/job/member_0000000008",
		json: `{"serviceEndpoint":{"host":"h","port":1},"additionalEndpoints":{},"status":"STOPPED","shard":0,"metadata":{"version":"2","weight":"4"}}`,
		read: registry.Instance{Meta: map[string]string{"shard": "0"}},
	},
}

func TestLayouts(t *testing.T) {
	for _, test := range layouts {
		t.Run(test.name, func(t *testing.T) {
			target := zktest.Open(t)
			s := target.Session(t)
			r := registry.New(s, "", test.opts...)
			g := register(t, r, test.in)
			if got := get(t, s, test.path); got != test.json {
				t.Errorf("it is stored as\n%s, not\n%s", got, test.json)
			}
			list := lookup(t, r, test.in.Service)
			want := test.in
			for _, change := range []struct {
				made bool
				f    func()
			}{
				{test.read.Payload != nil, func() { want.Payload = test.read.Payload }},
				{test.read.URISpec != "", func() { want.URISpec = test.read.URISpec }},
				{test.read.Addr != "", func() { want.Addr, want.TLSPort = test.read.Addr, test.read.TLSPort }},
				{test.read.Endpoints != nil, func() { want.Endpoints = test.read.Endpoints }},
				{test.read.Meta != nil, func() { want.Meta = test.read.Meta }},
			} {
				if change.made {
					change.f()
				}
			}
			if diff := cmp.Diff([]registry.Instance{want}, list); diff != "" {
				t.Fatalf("it is read otherwise (-want +got):\n%s", diff)
			}
			// What has been read can be written, and is the same.
			if err := g.Update(t.Context(), list[0]); err != nil {
				t.Fatal(err)
			}
			if got := get(t, s, test.path); got != test.json {
				t.Errorf("written again it is\n%s, not\n%s", got, test.json)
			}
		})
	}
}

// What others write, in ways of their own.
func TestReading(t *testing.T) {
	const micro, kratos, serverSet, spring = "micro", "kratos", "serverset", "spring"
	for _, test := range []struct {
		layout, node, json string
		want               []registry.Instance
	}{
		{"curator", "n", `{"name":"x","id":"i","address":"a","port":null,"sslPort":443,"serviceType":"STATIC"}`, []registry.Instance{{ID: "i", Addr: "a:443", TLSPort: 443}}},
		{"curator", "n", `{"name":"x","id":"i","address":"a","payload":7,"tag":"t"}`,
			[]registry.Instance{{ID: "i", Addr: "a", Payload: json.RawMessage("7"), Extra: map[string]json.RawMessage{"tag": json.RawMessage(`"t"`)}}}},
		{"curator", "n", ` { "name": "x", "id": "n", "address" : "a" , "port" : "80", "payload": {"@class": "X", "s": "\u00e9", "n": 1, "weight": "0"}} ` + "\n",
			[]registry.Instance{{ID: "n", Addr: "a:80", Meta: map[string]string{"s": "é", "weight": "0"}, Payload: json.RawMessage(`{"@class": "X", "s": "\u00e9", "n": 1, "weight": "0"}`)}}},
		{"curator", "n", `{"name":"x","id":"n","address":"a","uriSpec":{"parts":[{"value":"{","variable":false},{"value":"id","variable":true}]}}`, []registry.Instance{{ID: "n", Addr: "a", URISpec: "{[}{id}"}}},
		{spring, "n", `{"name":"x","id":"n","address":"a","port":1,"payload":{"metadata":{"instance_status":"STARTING","n":1}}}`, []registry.Instance{{ID: "n", Addr: "a:1", Disabled: true, Meta: map[string]string{"n": "1"}}}},
		{spring, "n", `{"name":"x","id":"n","address":"a","port":1,"payload":null}`, []registry.Instance{{ID: "n", Addr: "a:1"}}},
		{micro, "n", `{"name":"svc","nodes":[{"id":"1","address":"a","port":5,"metadata":null},{"id":"2","address":"b:6","metadata":{"k":"v"}}]}`,
			[]registry.Instance{{ID: "1", Addr: "a:5"}, {ID: "2", Addr: "b:6", Meta: map[string]string{"k": "v"}}}},
		{kratos, "n", `{"name":"x","endpoints":["grpcs://a:1"],"metadata":{"weight":"010"}}`, []registry.Instance{{ID: "n", Addr: "a:1", TLSPort: 1, Endpoints: []string{"grpcs://a:1"}, Meta: map[string]string{"weight": "010"}}}},
		{serverSet, "member_1", `{"serviceEndpoint":{"host":"a","port":1},"additionalEndpoints":[],"status":"WARNING"}`, []registry.Instance{{ID: "member_1", Addr: "a:1", Meta: map[string]string{"shard": "0"}}}},
		{serverSet, "m", `{"serviceEndpoint":{"host":"a","port":1},"additionalEndpoints":{"https":{"host":"b","port":2}},"status":"DEAD","shard":-1}`,
			[]registry.Instance{{ID: "m", Addr: "a:1", Disabled: true, Endpoints: []string{"https://b:2"}, Meta: map[string]string{"shard": "-1"}}}},
	} {
		t.Run(test.layout, func(t *testing.T) {
			target := zktest.Open(t)
			s := target.Session(t)
			l, err := registry.ParseLayout(test.layout)
			if err != nil {
				t.Fatal(err)
			}
			r := registry.New(s, root, registry.WithLayout(l), registry.WithMalformedHandler(func(err error) { t.Error(err) }))
			put(t, s, root+"/svc/"+test.node, test.json)
			for i := range test.want {
				test.want[i].Service = "svc"
			}
			if diff := cmp.Diff(test.want, lookup(t, r, "svc")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", test.json, diff)
			}
		})
	}
}

// What is not an instance is reported and hides nothing.
func TestMalformed(t *testing.T) {
	nodes := map[string][]string{
		"curator": {
			``, `null`, `[]`, `"x"`, `{`, `{"name":"x"`, `{"name":"x"}{}`, `{"name":7}`, `{"port":"http"}`, `{"port":70000}`, `{"address":["a"]}`,
			`{"registrationTimeUTC":"x"}`, `{"uriSpec":"x"}`, `{"enabled":"x"}`, `{"name":"x","payload":}`, "\x00\xff", `{"name":"` + strings.Repeat("x", 1<<19),
		},
		"spring":    {`{"payload":"x"}`, `{"payload":{"metadata":[]}}`, `{"payload":{"metadata":{"a":{}}}}`},
		"micro":     {`{}`, `{"nodes":[]}`, `{"nodes":{}}`, `{"nodes":[7]}`, `{"nodes":[{"port":-1}]}`, `{"nodes":[{"metadata":"x"}]}`, `{"version":1,"nodes":[{}]}`},
		"kratos":    {`{"endpoints":"x"}`, `{"metadata":[]}`, `{"id":1}`, `{"name":{}}`, `{"version":[]}`},
		"serverset": {`{}`, `{"serviceEndpoint":"h:1"}`, `{"serviceEndpoint":{"host":1}}`, `{"serviceEndpoint":{"host":"a","port":"x"}}`, `{"serviceEndpoint":{},"additionalEndpoints":7}`, `{"serviceEndpoint":{},"additionalEndpoints":{"x":1}}`, `{"status":1}`, `{"shard":"x"}`, `{"metadata":1}`},
	}
	for name, bad := range nodes {
		t.Run(name, func(t *testing.T) {
			target := zktest.Open(t)
			s := target.Session(t)
			l, _ := registry.ParseLayout(name)
			reported := make(map[string]error)
			r := registry.New(s, root, registry.WithLayout(l), registry.WithMalformedHandler(func(err error) {
				var oe *session.OpError
				if !errors.As(err, &oe) || !errors.Is(err, registry.ErrMalformed) {
					t.Errorf("reported: %v", err)
					return
				}
				reported[oe.Path] = err
			}))
			g := register(t, r, registry.Instance{Service: "svc", Addr: "a:1"})
			defer reports(t, s, l, len(bad))
			for i, data := range bad {
				put(t, s, root+"/svc/bad"+strings.Repeat("x", i), data)
			}
			wants(t, s, r, "svc", g.Instance().ID)
			if len(reported) != len(bad) {
				t.Errorf("%d of %d are reported: %v", len(reported), len(bad), reported)
			}
		})
	}
}

// reports checks what a Resolver says of bad nodes: each once, and not while it holds
// a lock.
func reports(t *testing.T, s *session.Session, l registry.Layout, bad int) {
	t.Helper()
	var v *registry.Resolver
	n := 0
	r := registry.New(s, root, registry.WithLayout(l), registry.WithMalformedHandler(func(error) {
		n++
		if got := len(v.Load()); got != 1 {
			t.Errorf("there are %d instances", got)
		}
	}))
	var err error
	if v, err = r.Resolve(t.Context(), "svc"); err != nil {
		t.Fatal(err)
	}
	defer v.Close()
	for range 3 {
		in, err := v.Pick(registry.Random())
		if err != nil {
			t.Fatal(err)
		}
		v.NoteError(in)
	}
	if n != bad {
		t.Errorf("%d of %d are reported", n, bad)
	}
}

// A megabyte of keys from another program neither fails nor takes long.
func TestHugeNode(t *testing.T) {
	target := zktest.Open(t)
	s := target.Session(t)
	var b strings.Builder
	b.WriteString(`{"name":"svc","id":"huge","address":"a","port":1`)
	for i := range 50000 {
		fmt.Fprintf(&b, `,"key %d":"%d"`, i, i)
	}
	b.WriteString("}")
	put(t, s, root+"/svc/huge", b.String())
	r := registry.New(s, root)
	begun := time.Now()
	list := lookup(t, r, "svc")
	if len(list) != 1 || len(list[0].Extra) != 50000 {
		t.Errorf("read %d instances", len(list))
	}
	if d := time.Since(begun); d > 20*time.Second {
		t.Errorf("that took %v", d)
	}
}

// Keys that another program has added stay when the instance is updated, in every
// layout; Extra adds and removes keys.
func TestUnknownKeysSurvive(t *testing.T) {
	for _, test := range []struct {
		layout            registry.Layout
		id, add, to, want string
	}{
		{registry.Curator, "i", `"tag":[1, 2],`, `"name":`, `"tag":[1, 2]`},
		{registry.Spring, "i", `"tag":"t",`, `"metadata":`, `"tag":"t"`},
		{registry.Micro, "i", `"tag":"t",`, `"address":`, `"tag":"t"`},
		{registry.Micro, "i", `"thirdparty":true,`, `"name":`, `"thirdparty":true`},
		{registry.Kratos, "i", `"tag":{"a":null},`, `"metadata":`, `"tag":{"a":null}`},
		{registry.ServerSet, "member_0000000001", `"tag":0,`, `"status":`, `"tag":0`},
	} {
		t.Run(test.layout.String(), func(t *testing.T) {
			target := zktest.Open(t)
			s := target.Session(t)
			r := registry.New(s, root, registry.WithLayout(test.layout))
			g := register(t, r, registry.Instance{Service: "svc", ID: test.id, Extra: map[string]json.RawMessage{"own": json.RawMessage("1"), "other": json.RawMessage("2")}})
			path := root + "/svc/" + test.id
			edited := strings.Replace(get(t, s, path), test.to, test.add+test.to, 1)
			if _, err := s.Set(t.Context(), path, []byte(edited), session.AnyVersion); err != nil {
				t.Fatal(err)
			}
			err := g.Update(t.Context(), registry.Instance{Addr: "10.0.0.2:80", Extra: map[string]json.RawMessage{"own": nil, "new": json.RawMessage("3")}})
			if err != nil {
				t.Fatal(err)
			}
			got := get(t, s, path)
			if !json.Valid([]byte(got)) || !strings.Contains(got, test.want) || !strings.Contains(got, "10.0.0.2") ||
				strings.Contains(got, `"own"`) || !strings.Contains(got, `"other":2`) || !strings.Contains(got, `"new":3`) {
				t.Errorf("after the update of %s it is %s", edited, got)
			}
		})
	}
}

func TestURI(t *testing.T) {
	in := registry.Instance{Service: "web", ID: "i", Addr: "h:80", Registered: newYear}
	for spec, want := range map[string]string{
		"":                                       "",
		"{scheme}://{address}:{port}":            "http://h:80",
		"{ scheme }://{x}{unknown}/{[}{name}{]}": "http://X/{web}",
		"{id} {service-type} {registration-time-utc} {ssl-port}{}.": "i dynamic 1767225600000 .",
	} {
		in.URISpec = spec
		if got := in.URI(map[string]string{"x": "X"}); got != want {
			t.Errorf("%q becomes %q, not %q", spec, got, want)
		}
	}
	in.TLSPort, in.URISpec = 443, "{scheme}://{address}:{ssl-port}"
	if got := in.URI(nil); got != "https://h:443" {
		t.Errorf("with a TLS port it is %q", got)
	}
}

func TestParseLayout(t *testing.T) {
	for l := registry.Curator; l <= registry.ServerSet; l++ {
		if got, err := registry.ParseLayout(l.String()); got != l || err != nil {
			t.Errorf("%v is parsed as %v, %v", l, got, err)
		}
	}
	if _, err := registry.ParseLayout("consul"); err == nil {
		t.Error("there is no layout consul")
	}
	if got := registry.Layout(77).String(); got != "layout 77" {
		t.Error(got)
	}
}
