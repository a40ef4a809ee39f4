package zktest

import (
	"crypto/sha1"
	"encoding/base64"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// authID is something that a connection has proved to be.
type authID struct{ scheme, id string }

// permitted says whether one of ids has any of the permissions.
func permitted(acl []wire.ACL, perms int32, ids []authID) bool {
	for _, a := range acl {
		if a.Perms&perms != 0 && a.Scheme == "world" && a.ID == "anyone" {
			return true
		}
	}
	if len(acl) == 0 || slices.ContainsFunc(ids, func(id authID) bool { return id.scheme == "super" }) {
		return true
	}
	for _, a := range acl {
		if a.Perms&perms == 0 {
			continue
		}
		for _, id := range ids {
			if id.scheme == a.Scheme && matches(id, a.ID) {
				return true
			}
		}
	}
	return false
}

// matches says whether id is meant by the expression of an ACL of its scheme.
func matches(id authID, expr string) bool {
	switch id.scheme {
	case "digest":
		return id.id == expr
	case "ip":
		addr, ok := parseIP(id.id)
		prefix, okExpr := parseIP(expr)
		return ok && okExpr && prefix.Contains(addr.Addr())
	}
	return false
}

// parseIP reads "address" or "address/bits".
func parseIP(expr string) (netip.Prefix, bool) {
	host, suffix, ranged := strings.Cut(expr, "/")
	addr, ok := parseIPv4(host)
	if !ok {
		var err error
		if addr, err = netip.ParseAddr(host); err != nil || addr.Zone() != "" {
			return netip.Prefix{}, false
		}
	}
	bits := addr.BitLen()
	if ranged {
		var err error
		if bits, err = strconv.Atoi(suffix); err != nil {
			return netip.Prefix{}, false
		}
	}
	prefix, err := addr.Prefix(bits)
	return prefix, err == nil
}

// parseIPv4 is as lenient with leading zeros as the server.
func parseIPv4(host string) (netip.Addr, bool) {
	parts := strings.Split(host, ".")
	if len(parts) != 4 {
		return netip.Addr{}, false
	}
	var b [4]byte
	for i, part := range parts {
		v, err := strconv.Atoi(part)
		if err != nil || v < 0 || v > 255 {
			return netip.Addr{}, false
		}
		b[i] = byte(v)
	}
	return netip.AddrFrom4(b), true
}

// fixACL is the list that is stored for the one that a client asks for:
// without repetitions, and with "auth" replaced by what the client has proved
// to be. The result is false for what the server calls an invalid ACL; an old one
// knows no IPv6.
func fixACL(acl []wire.ACL, ids []authID, old bool) ([]wire.ACL, bool) {
	if len(acl) == 1 && acl[0] == openACL[0] {
		return openACL, true // one list for the many nodes that have it
	}
	fixed := make([]wire.ACL, 0, len(acl))
	for i, a := range acl {
		if slices.Contains(acl[:i], a) {
			continue
		}
		switch a.Scheme {
		case "world":
			if a.ID != "anyone" {
				return nil, false
			}
			fixed = append(fixed, a)
		case "auth":
			authenticated := false
			for _, id := range ids {
				if id.scheme == "digest" { // an address proves nothing
					fixed = append(fixed, wire.ACL{Perms: a.Perms, Scheme: id.scheme, ID: id.id})
					authenticated = true
				}
			}
			if !authenticated {
				return nil, false
			}
		case "digest":
			if !validDigest(a.ID) {
				return nil, false
			}
			fixed = append(fixed, a)
		case "ip":
			if prefix, ok := parseIP(a.ID); !ok || old && !prefix.Addr().Is4() {
				return nil, false
			}
			fixed = append(fixed, a)
		default:
			return nil, false
		}
	}
	return fixed, len(fixed) > 0
}

// validDigest wants two parts around a colon. As in Java's String.split,
// colons at the end do not count and an empty first part does.
func validDigest(id string) bool {
	return strings.Count(strings.TrimRight(id, ":"), ":") == 1
}

// digestID is the id of whoever knows the password in "user:password".
func digestID(credentials string) string {
	user, _, _ := strings.Cut(credentials, ":")
	sum := sha1.Sum([]byte(credentials))
	return user + ":" + base64.StdEncoding.EncodeToString(sum[:])
}

// masked hides the digests from those who may read an ACL but not change it.
func masked(acl []wire.ACL) []wire.ACL {
	acl = slices.Clone(acl)
	for i := range acl {
		if user, _, ok := strings.Cut(acl[i].ID, ":"); ok && acl[i].Scheme == "digest" {
			acl[i].ID = user + ":x"
		}
	}
	return acl
}
