package wire

// ConnectRequest opens or resumes a session.
type ConnectRequest struct {
	ProtocolVersion int32
	LastZxidSeen    int64
	Timeout         int32 // milliseconds
	SessionID       int64
	Passwd          []byte
	ReadOnly        bool
	HasReadOnly     bool // older clients, such as go-zookeeper, omit the flag
}

func (r *ConnectRequest) Fields(c *Codec) {
	c.Int(&r.ProtocolVersion)
	c.Long(&r.LastZxidSeen)
	c.Int(&r.Timeout)
	c.Long(&r.SessionID)
	c.Bytes(&r.Passwd)
	c.readOnly(&r.HasReadOnly, &r.ReadOnly)
}

// ConnectResponse is the reply to ConnectRequest. A Timeout of zero or less means
// that the session to resume has expired.
type ConnectResponse struct {
	ProtocolVersion int32
	Timeout         int32
	SessionID       int64
	Passwd          []byte
	ReadOnly        bool
	HasReadOnly     bool // sent only to clients that sent the flag
}

func (r *ConnectResponse) Fields(c *Codec) {
	c.Int(&r.ProtocolVersion)
	c.Int(&r.Timeout)
	c.Long(&r.SessionID)
	c.Bytes(&r.Passwd)
	c.readOnly(&r.HasReadOnly, &r.ReadOnly)
}

// readOnly codes the last field of a handshake, which older peers omit.
func (c *Codec) readOnly(present, v *bool) {
	if c.decoding {
		*present = len(c.Buf) > 0
	}
	if *present {
		c.Bool(v)
	}
}

// RequestHeader precedes every request except the first.
type RequestHeader struct {
	Xid int32
	Op  Op
}

func (r *RequestHeader) Fields(c *Codec) { c.Int(&r.Xid); c.Int((*int32)(&r.Op)) }

// ReplyHeader precedes every reply and every event.
type ReplyHeader struct {
	Xid  int32
	Zxid int64
	Err  Code
}

// ReplyHeaderLen is the length of a ReplyHeader.
const ReplyHeaderLen = 16

func (r *ReplyHeader) Fields(c *Codec) { c.Int(&r.Xid); c.Long(&r.Zxid); c.Int((*int32)(&r.Err)) }

// Stat is the metadata of a node.
type Stat struct {
	Czxid, Mzxid                int64
	Ctime, Mtime                int64 // milliseconds since 1970
	Version, Cversion, Aversion int32
	EphemeralOwner              int64
	DataLength, NumChildren     int32
	Pzxid                       int64
}

// PzxidStopped reports whether so many children were created in the node that creates do
// not change its Pzxid any more: their number has stopped at 2147483647, and the sum of
// Cversion and NumChildren is twice that number, in 32 bits. Deletes always change Pzxid.
func (r *Stat) PzxidStopped() bool { return r.Cversion+r.NumChildren == -2 }

func (r *Stat) Fields(c *Codec) {
	c.Long(&r.Czxid)
	c.Long(&r.Mzxid)
	c.Long(&r.Ctime)
	c.Long(&r.Mtime)
	c.Int(&r.Version)
	c.Int(&r.Cversion)
	c.Int(&r.Aversion)
	c.Long(&r.EphemeralOwner)
	c.Int(&r.DataLength)
	c.Int(&r.NumChildren)
	c.Long(&r.Pzxid)
}

// ACL is one entry of a node's access control list.
type ACL struct {
	Perms      int32
	Scheme, ID string
}

func codeACLs(c *Codec, acl *[]ACL) {
	n := c.Len(len(*acl), 12)
	if c.decoding {
		*acl = make([]ACL, n)
	}
	for i := range *acl {
		a := &(*acl)[i]
		c.Int(&a.Perms)
		c.String(&a.Scheme)
		c.String(&a.ID)
	}
}

// Empty is a record without fields: the body of ping and closeSession, and of
// replies that have only a header.
type Empty struct{}

func (*Empty) Fields(*Codec) {}

// CreateRequest is the body of create, create2, createContainer and createTTL. Only
// createTTL has TTL.
type CreateRequest struct {
	Path   string
	Data   []byte
	ACL    []ACL
	Flags  int32
	TTL    int64 // milliseconds
	HasTTL bool  // set before decoding: the operation is createTTL
}

func (r *CreateRequest) Fields(c *Codec) {
	c.String(&r.Path)
	c.Bytes(&r.Data)
	codeACLs(c, &r.ACL)
	c.Int(&r.Flags)
	if r.HasTTL {
		c.Long(&r.TTL)
	}
}

// CreateResponse is the reply to create2, createContainer and createTTL.
type CreateResponse struct {
	Path string
	Stat Stat
}

func (r *CreateResponse) Fields(c *Codec) { c.String(&r.Path); r.Stat.Fields(c) }

// Path is a record of one path: the body of getACL, sync and getEphemerals, and the
// reply to create and sync.
type Path struct{ Path string }

func (r *Path) Fields(c *Codec) { c.String(&r.Path) }

// PathVersion is the body of delete and check.
type PathVersion struct {
	Path    string
	Version int32
}

func (r *PathVersion) Fields(c *Codec) { c.String(&r.Path); c.Int(&r.Version) }

// PathWatch is the body of exists, getData, getChildren and getChildren2.
type PathWatch struct {
	Path  string
	Watch bool
}

func (r *PathWatch) Fields(c *Codec) { c.String(&r.Path); c.Bool(&r.Watch) }

// SetDataRequest is the body of setData, whose reply is a Stat.
type SetDataRequest struct {
	Path    string
	Data    []byte
	Version int32
}

func (r *SetDataRequest) Fields(c *Codec) { c.String(&r.Path); c.Bytes(&r.Data); c.Int(&r.Version) }

// GetDataResponse is the reply to getData.
type GetDataResponse struct {
	Data []byte
	Stat Stat
}

func (r *GetDataResponse) Fields(c *Codec) { c.Bytes(&r.Data); r.Stat.Fields(c) }

// ChildrenResponse is the reply to getChildren (without Stat) and getChildren2.
type ChildrenResponse struct {
	Children []string
	Stat     Stat
}

func (r *ChildrenResponse) Fields(c *Codec) { c.Strings(&r.Children); r.Stat.Fields(c) }

// SetACLRequest is the body of setACL, whose reply is a Stat.
type SetACLRequest struct {
	Path    string
	ACL     []ACL
	Version int32
}

func (r *SetACLRequest) Fields(c *Codec) { c.String(&r.Path); codeACLs(c, &r.ACL); c.Int(&r.Version) }

// GetACLResponse is the reply to getACL.
type GetACLResponse struct {
	ACL  []ACL
	Stat Stat
}

func (r *GetACLResponse) Fields(c *Codec) { codeACLs(c, &r.ACL); r.Stat.Fields(c) }

// AuthRequest is the body of auth.
type AuthRequest struct {
	Type   int32
	Scheme string
	Auth   []byte
}

func (r *AuthRequest) Fields(c *Codec) { c.Int(&r.Type); c.String(&r.Scheme); c.Bytes(&r.Auth) }

// Token is the body of sasl and of the reply to it.
type Token struct{ Token []byte }

func (r *Token) Fields(c *Codec) { c.Bytes(&r.Token) }

// SetWatches is the body of setWatches and setWatches2, which set the watches of a
// resumed session again; setWatches2 also sets persistent ones.
type SetWatches struct {
	RelativeZxid                    int64
	Data, Exist, Child              []string
	Persistent, PersistentRecursive []string
	Version2                        bool // set before coding: the operation is setWatches2
}

func (r *SetWatches) Fields(c *Codec) {
	c.Long(&r.RelativeZxid)
	c.Strings(&r.Data)
	c.Strings(&r.Exist)
	c.Strings(&r.Child)
	if r.Version2 {
		c.Strings(&r.Persistent)
		c.Strings(&r.PersistentRecursive)
	}
}

// PathKind is the body of removeWatches and checkWatches (a Watcher…
// constant), and of addWatch (its mode).
type PathKind struct {
	Path string
	Kind int32
}

func (r *PathKind) Fields(c *Codec) { c.String(&r.Path); c.Int(&r.Kind) }

// WatcherEvent is the body of a notification.
type WatcherEvent struct {
	Type, State int32
	Path        string
}

func (r *WatcherEvent) Fields(c *Codec) { c.Int(&r.Type); c.Int(&r.State); c.String(&r.Path) }
