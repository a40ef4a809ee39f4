package session_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// An ErrUnknown names the operation of the caller, not the request that failed to find out
// the outcome.
func TestUnknownNamesTheOperation(t *testing.T) {
	for name, c := range map[string]struct {
		op, path string
		call     func(*testing.T, *session.Session) error
	}{
		"receipt of a set": {"set", "/p", func(t *testing.T, z *session.Session) error {
			_, err := z.TxnWithReceipt(t.Context(), session.OpSet("/p", []byte("x"), session.AnyVersion))
			return err
		}},
		"receipt of a create": {"create", "/p/n-", func(t *testing.T, z *session.Session) error {
			_, err := z.TxnWithReceipt(t.Context(), session.OpCreate("/p/n-", nil, session.Sequential()))
			return err
		}},
		"transaction": {"set", "/p", func(t *testing.T, z *session.Session) error {
			_, err := z.Txn(t.Context(), session.OpSet("/p", []byte("x"), session.AnyVersion), session.OpCheck("/", session.AnyVersion))
			return err
		}},
		"set": {"set", "/p", func(t *testing.T, z *session.Session) error {
			_, err := z.Set(t.Context(), "/p", []byte("x"), session.AnyVersion)
			return err
		}},
		"create": {"create", "/p/n-", func(t *testing.T, z *session.Session) error {
			_, _, err := z.Create(t.Context(), "/p/n-", nil, session.Sequential(), session.Unique())
			return err
		}},
		"delete": {"delete", "/p", func(t *testing.T, z *session.Session) error {
			return z.Delete(t.Context(), "/p", session.AnyVersion)
		}},
		"access control list": {"set ACL of", "/p", func(t *testing.T, z *session.Session) error {
			_, err := z.SetACL(t.Context(), "/p", session.OpenACL(), session.AnyVersion)
			return err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := serve(t)
				z := open(t, s)
				testkit.Create(t, z, "/p", "")
				testkit.Create(t, z, session.DefaultReceipts, "")
				id := z.Status().ID
				defer s.Fault(func(r zktest.Request) zktest.Fault {
					switch r.Op {
					case "multi", "setData", "create", "create2", "delete", "setACL":
						go s.Expire(id)
						return zktest.DropReply
					}
					return zktest.Pass
				})()
				err := c.call(t, z)
				testkit.WantError(t, err, session.ErrUnknown)
				var oe *session.OpError
				if !errors.As(err, &oe) || oe.Op != c.op || oe.Path != c.path || strings.Contains(err.Error(), session.DefaultReceipts) {
					t.Errorf("the error is %v", err)
				}
			})
		})
	}
}
