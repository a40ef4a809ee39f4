package ztree

import (
	"crypto/sha1"
	"encoding/base64"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// An AuthID is an identity with which a connection has authenticated.
type AuthID struct{ Scheme, ID string }

// AddID returns ids with id added, in the order in which the server lists them: it keeps
// them in a hash set. The scheme "auth" of an ACL stands for these ids, so clients can
// see the order. ids itself is not changed.
func AddID(ids []AuthID, id AuthID) []AuthID {
	if slices.Contains(ids, id) {
		return ids
	}
	ids = append(slices.Clip(ids), id)
	const buckets = 16
	slices.SortStableFunc(ids, func(a, b AuthID) int {
		return int(a.hash()%buckets) - int(b.hash()%buckets)
	})
	return ids
}

func (id AuthID) hash() uint32 {
	return spread((17*37+stringHash(id.Scheme))*37 + stringHash(id.ID))
}

// Permitted reports whether acl grants at least one of perms to one of ids.
func Permitted(acl []wire.ACL, perms int32, ids []AuthID) bool {
	for _, a := range acl {
		if a.Perms&perms != 0 && a.Scheme == "world" && a.ID == "anyone" {
			return true
		}
	}
	if len(acl) == 0 || slices.ContainsFunc(ids, func(id AuthID) bool { return id.Scheme == "super" }) {
		return true
	}
	for _, a := range acl {
		if a.Perms&perms == 0 {
			continue
		}
		for _, id := range ids {
			if id.Scheme == a.Scheme && matches(id, a.ID) {
				return true
			}
		}
	}
	return false
}

// matches reports whether id matches the expression of an ACL entry of the same scheme.
func matches(id AuthID, expr string) bool {
	switch id.Scheme {
	case "digest":
		return id.ID == expr
	case "ip":
		addr, ok := parseIP(id.ID)
		prefix, okExpr := parseIP(expr)
		return ok && okExpr && prefix.Contains(addr.Addr())
	}
	return false
}

// parseIP parses "address" or "address/bits".
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

// parseIPv4 accepts leading zeros, as the server does.
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

// fixACL returns the list that is stored for the list that a client has sent: without
// duplicates, and with "auth" replaced by the client's ids. It returns false if the
// server calls the list invalid. If old is true, IPv6 addresses are invalid.
func fixACL(acl []wire.ACL, ids []AuthID, old bool) ([]wire.ACL, bool) {
	if len(acl) == 1 && acl[0] == OpenACL[0] {
		return OpenACL, true // shared by all nodes that have it
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
				if id.Scheme == "digest" { // an address does not authenticate
					fixed = append(fixed, wire.ACL{Perms: a.Perms, Scheme: id.Scheme, ID: id.ID})
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

// validDigest reports whether id consists of two parts around a colon. As in Java's
// String.split, trailing colons do not count and an empty first part does.
func validDigest(id string) bool {
	return strings.Count(strings.TrimRight(id, ":"), ":") == 1
}

// DigestID returns the id of scheme "digest" of "user:password".
func DigestID(credentials string) string {
	user, _, _ := strings.Cut(credentials, ":")
	sum := sha1.Sum([]byte(credentials))
	return user + ":" + base64.StdEncoding.EncodeToString(sum[:])
}

// MaskDigests returns acl with the digests hidden, for clients that may read the ACL but
// not change it.
func MaskDigests(acl []wire.ACL) []wire.ACL {
	acl = slices.Clone(acl)
	for i := range acl {
		if user, _, ok := strings.Cut(acl[i].ID, ":"); ok && acl[i].Scheme == "digest" {
			acl[i].ID = user + ":x"
		}
	}
	return acl
}
