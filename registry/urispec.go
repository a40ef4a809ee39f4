package registry

import (
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

// uriPart is one part of a template, as Curator stores it.
type uriPart struct {
	Value    string `json:"value"`
	Variable bool   `json:"variable"`
}

// URI returns URISpec with its variables replaced. {scheme} is http, or https if there
// is a TLSPort; {address}, {port}, {ssl-port}, {name}, {id}, {registration-time-utc}
// and {service-type} are the instance's; {[} and {]} are braces. vars has further
// variables and takes precedence. Unknown variables are replaced by nothing, as in
// Curator.
func (in Instance) URI(vars map[string]string) string {
	parts, err := parseURISpec(in.URISpec)
	if err != nil {
		return ""
	}
	known := in.uriVariables()
	var b strings.Builder
	for _, p := range parts {
		if !p.Variable {
			b.WriteString(p.Value)
		} else if v, ok := vars[p.Value]; ok {
			b.WriteString(v)
		} else {
			b.WriteString(known[p.Value])
		}
	}
	return b.String()
}

func (in Instance) uriVariables() map[string]string {
	host, port := in.hostPort()
	vars := map[string]string{
		"[": "{", "]": "}", "scheme": "http",
		"name": in.Service, "id": in.ID, "address": host, "port": port,
		"registration-time-utc": string(milliseconds(in.Registered)), "service-type": "dynamic",
	}
	if in.TLSPort != 0 {
		vars["scheme"], vars["ssl-port"] = "https", strconv.Itoa(in.TLSPort)
	}
	return vars
}

// parseURISpec parses a template as Curator's UriSpec does.
func parseURISpec(s string) (parts []uriPart, err error) {
	inside := false
	for s != "" {
		i := strings.IndexAny(s, "{}")
		if i < 0 {
			i = len(s)
		}
		if token := s[:i]; token != "" {
			if inside {
				token = strings.TrimSpace(token)
			}
			parts = append(parts, uriPart{token, inside})
		}
		if i == len(s) {
			break
		}
		if open := s[i] == '{'; open == inside {
			return nil, errors.New("unbalanced braces in the URI template")
		}
		inside = !inside
		s = s[i+1:]
	}
	if inside {
		return nil, errors.New("unbalanced braces in the URI template")
	}
	return parts, nil
}

// encodeURISpec encodes a template as Curator stores it. The template has been
// checked.
func encodeURISpec(s string) json.RawMessage {
	if s == "" {
		return null
	}
	parts, _ := parseURISpec(s)
	var list [][]byte
	for _, p := range parts {
		variable := strconv.AppendBool(nil, p.Variable)
		list = append(list, object{{"value", quote(p.Value)}, {"variable", variable}}.encode())
	}
	return object{{"parts", array(list)}}.encode()
}

// decodeURISpec is the inverse of encodeURISpec.
func decodeURISpec(data json.RawMessage) (string, error) {
	if data == nil {
		return "", nil
	}
	var spec struct{ Parts []uriPart }
	if err := json.Unmarshal(data, &spec); err != nil {
		return "", errors.New("uriSpec: not a list of parts")
	}
	var b strings.Builder
	for _, p := range spec.Parts {
		if p.Variable {
			b.WriteString("{" + p.Value + "}")
		} else {
			b.WriteString(braces.Replace(p.Value))
		}
	}
	return b.String(), nil
}

var braces = strings.NewReplacer("{", "{[}", "}", "{]}")
