// Package refusal classifies the errors of writes. It answers three questions:
//
//   - Was the write committed? Not if Of or IsConflict is true. An error that wraps
//     session.ErrUnknown is never a refusal or a conflict, whatever else it wraps:
//     the write may have been committed.
//   - Did another client's write cause the error, so that the caller must read
//     again? IsConflict.
//   - Will the servers refuse the same request again? Always, if IsPermanent is
//     true. Until someone changes an access control list or a quota, or makes room,
//     if Refusal.Denied is.
//
// The answers by the reason that the error wraps:
//
//	                                      Of   IsConflict  Denied  IsPermanent
//	ErrNoNode ErrNodeExists ErrBadVersion yes  yes         no      no
//	ErrNotEmpty                           yes  no          no      no
//	ErrQuota                              yes  no          yes     no
//	ErrNoAuth ErrInvalidACL               yes  no          yes     yes
//	ErrInvalid ErrClosed                  no   no          no      yes
//	anything else                         no   no          no      no
//
// ErrNotEmpty is not a conflict: to read again does not help while the other
// client's children exist. ErrQuota is not permanent: room may be made at any time.
//
// Package session classifies replies rather than errors, and does not use this
// package: whether a server executed a request at all (conn.Call.Retryable), whether
// it knows the operation (Epoch.learnFrom), and what the nodes show after a lost
// reply (Epoch.resolve).
package refusal

import (
	"errors"
	"slices"

	"github.com/zkrecipes/zkrecipes/session"
)

// Refusal is the reason why the servers did not commit a write: one of its
// operations.
type Refusal struct {
	Op, Path string // the operation that was refused, as in session.OpError
	Reason   error  // one of the errors of package session
}

var (
	conflicts = []error{session.ErrNoNode, session.ErrNodeExists, session.ErrBadVersion}
	denials   = []error{session.ErrNoAuth, session.ErrInvalidACL, session.ErrQuota}
	permanent = []error{session.ErrNoAuth, session.ErrInvalidACL, session.ErrInvalid, session.ErrClosed}
	reasons   = slices.Concat(conflicts, []error{session.ErrNotEmpty}, denials)
)

// Of returns the refusal in err. ok is false if err has another reason or the
// outcome is not known.
func Of(err error) (r Refusal, ok bool) {
	var oe *session.OpError
	if !errors.As(err, &oe) || errors.Is(err, session.ErrUnknown) {
		return r, false
	}
	reason := find(err, reasons)
	if reason == nil {
		return r, false
	}
	return Refusal{oe.Op, oe.Path, reason}, true
}

// Denied reports whether the servers deny the write, whatever other clients write.
func (r Refusal) Denied() bool { return slices.Contains(denials, r.Reason) }

// IsDenied reports whether err is a refusal that is Denied.
func IsDenied(err error) bool {
	r, ok := Of(err)
	return ok && r.Denied()
}

// IsConflict reports whether a write was not committed because its nodes are not as
// the caller has read them.
func IsConflict(err error) bool {
	return find(err, conflicts) != nil && !errors.Is(err, session.ErrUnknown)
}

// IsPermanent reports whether a request fails however often it is made. That may
// also be the request that was to find out the outcome of a write.
func IsPermanent(err error) bool { return find(err, permanent) != nil }

// find returns the first of reasons that err wraps, or nil.
func find(err error, reasons []error) error {
	for _, reason := range reasons {
		if errors.Is(err, reason) {
			return reason
		}
	}
	return nil
}
