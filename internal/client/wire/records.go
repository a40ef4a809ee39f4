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

func (r *ConnectRequest) Encode(e *Encoder) {
	e.Int(r.ProtocolVersion)
	e.Long(r.LastZxidSeen)
	e.Int(r.Timeout)
	e.Long(r.SessionID)
	e.Bytes(r.Passwd)
	if r.HasReadOnly {
		e.Bool(r.ReadOnly)
	}
}

func (r *ConnectRequest) Decode(d *Decoder) {
	r.ProtocolVersion, r.LastZxidSeen, r.Timeout = d.Int(), d.Long(), d.Int()
	r.SessionID, r.Passwd = d.Long(), d.Bytes()
	if r.HasReadOnly = len(d.Buf) > 0; r.HasReadOnly {
		r.ReadOnly = d.Bool()
	}
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

func (r *ConnectResponse) Encode(e *Encoder) {
	e.Int(r.ProtocolVersion)
	e.Int(r.Timeout)
	e.Long(r.SessionID)
	e.Bytes(r.Passwd)
	if r.HasReadOnly {
		e.Bool(r.ReadOnly)
	}
}

func (r *ConnectResponse) Decode(d *Decoder) {
	r.ProtocolVersion, r.Timeout, r.SessionID, r.Passwd = d.Int(), d.Int(), d.Long(), d.Bytes()
	if r.HasReadOnly = len(d.Buf) > 0; r.HasReadOnly {
		r.ReadOnly = d.Bool()
	}
}

// RequestHeader precedes every request except the first.
type RequestHeader struct {
	Xid int32
	Op  Op
}

func (r *RequestHeader) Encode(e *Encoder) { e.Int(r.Xid); e.Int(int32(r.Op)) }
func (r *RequestHeader) Decode(d *Decoder) { r.Xid, r.Op = d.Int(), Op(d.Int()) }

// ReplyHeader precedes every reply and every event.
type ReplyHeader struct {
	Xid  int32
	Zxid int64
	Err  Code
}

// ReplyHeaderLen is the length of a ReplyHeader.
const ReplyHeaderLen = 16

func (r *ReplyHeader) Encode(e *Encoder) { e.Int(r.Xid); e.Long(r.Zxid); e.Int(int32(r.Err)) }
func (r *ReplyHeader) Decode(d *Decoder) { r.Xid, r.Zxid, r.Err = d.Int(), d.Long(), Code(d.Int()) }

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

func (r *Stat) Encode(e *Encoder) {
	e.Long(r.Czxid)
	e.Long(r.Mzxid)
	e.Long(r.Ctime)
	e.Long(r.Mtime)
	e.Int(r.Version)
	e.Int(r.Cversion)
	e.Int(r.Aversion)
	e.Long(r.EphemeralOwner)
	e.Int(r.DataLength)
	e.Int(r.NumChildren)
	e.Long(r.Pzxid)
}

func (r *Stat) Decode(d *Decoder) {
	r.Czxid, r.Mzxid, r.Ctime, r.Mtime = d.Long(), d.Long(), d.Long(), d.Long()
	r.Version, r.Cversion, r.Aversion = d.Int(), d.Int(), d.Int()
	r.EphemeralOwner = d.Long()
	r.DataLength, r.NumChildren = d.Int(), d.Int()
	r.Pzxid = d.Long()
}

// ACL is one entry of a node's access control list.
type ACL struct {
	Perms      int32
	Scheme, ID string
}

func encodeACLs(e *Encoder, acl []ACL) {
	e.Int(int32(len(acl)))
	for _, a := range acl {
		e.Int(a.Perms)
		e.String(a.Scheme)
		e.String(a.ID)
	}
}

func decodeACLs(d *Decoder) []ACL {
	n := d.Len(12)
	acl := make([]ACL, 0, n)
	for range n {
		acl = append(acl, ACL{d.Int(), d.String(), d.String()})
	}
	return acl
}

// Empty is a record without fields: the body of ping and closeSession, and of
// replies that have only a header.
type Empty struct{}

func (*Empty) Encode(*Encoder) {}
func (*Empty) Decode(*Decoder) {}

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

func (r *CreateRequest) Encode(e *Encoder) {
	e.String(r.Path)
	e.Bytes(r.Data)
	encodeACLs(e, r.ACL)
	e.Int(r.Flags)
	if r.HasTTL {
		e.Long(r.TTL)
	}
}

func (r *CreateRequest) Decode(d *Decoder) {
	r.Path, r.Data, r.ACL, r.Flags = d.String(), d.Bytes(), decodeACLs(d), d.Int()
	if r.HasTTL {
		r.TTL = d.Long()
	}
}

// CreateResponse is the reply to create2, createContainer and createTTL.
type CreateResponse struct {
	Path string
	Stat Stat
}

func (r *CreateResponse) Encode(e *Encoder) { e.String(r.Path); r.Stat.Encode(e) }
func (r *CreateResponse) Decode(d *Decoder) { r.Path = d.String(); r.Stat.Decode(d) }

// Path is a record of one path: the body of getACL, sync and getEphemerals, and the
// reply to create and sync.
type Path struct{ Path string }

func (r *Path) Encode(e *Encoder) { e.String(r.Path) }
func (r *Path) Decode(d *Decoder) { r.Path = d.String() }

// PathVersion is the body of delete and check.
type PathVersion struct {
	Path    string
	Version int32
}

func (r *PathVersion) Encode(e *Encoder) { e.String(r.Path); e.Int(r.Version) }
func (r *PathVersion) Decode(d *Decoder) { r.Path, r.Version = d.String(), d.Int() }

// PathWatch is the body of exists, getData, getChildren and getChildren2.
type PathWatch struct {
	Path  string
	Watch bool
}

func (r *PathWatch) Encode(e *Encoder) { e.String(r.Path); e.Bool(r.Watch) }
func (r *PathWatch) Decode(d *Decoder) { r.Path, r.Watch = d.String(), d.Bool() }

// SetDataRequest is the body of setData, whose reply is a Stat.
type SetDataRequest struct {
	Path    string
	Data    []byte
	Version int32
}

func (r *SetDataRequest) Encode(e *Encoder) { e.String(r.Path); e.Bytes(r.Data); e.Int(r.Version) }
func (r *SetDataRequest) Decode(d *Decoder) {
	r.Path, r.Data, r.Version = d.String(), d.Bytes(), d.Int()
}

// GetDataResponse is the reply to getData.
type GetDataResponse struct {
	Data []byte
	Stat Stat
}

func (r *GetDataResponse) Encode(e *Encoder) { e.Bytes(r.Data); r.Stat.Encode(e) }
func (r *GetDataResponse) Decode(d *Decoder) { r.Data = d.Bytes(); r.Stat.Decode(d) }

// ChildrenResponse is the reply to getChildren (without Stat) and getChildren2.
type ChildrenResponse struct {
	Children []string
	Stat     Stat
}

func (r *ChildrenResponse) Encode(e *Encoder) { e.Strings(r.Children); r.Stat.Encode(e) }
func (r *ChildrenResponse) Decode(d *Decoder) { r.Children = d.Strings(); r.Stat.Decode(d) }

// SetACLRequest is the body of setACL, whose reply is a Stat.
type SetACLRequest struct {
	Path    string
	ACL     []ACL
	Version int32
}

func (r *SetACLRequest) Encode(e *Encoder) { e.String(r.Path); encodeACLs(e, r.ACL); e.Int(r.Version) }
func (r *SetACLRequest) Decode(d *Decoder) {
	r.Path, r.ACL, r.Version = d.String(), decodeACLs(d), d.Int()
}

// GetACLResponse is the reply to getACL.
type GetACLResponse struct {
	ACL  []ACL
	Stat Stat
}

func (r *GetACLResponse) Encode(e *Encoder) { encodeACLs(e, r.ACL); r.Stat.Encode(e) }
func (r *GetACLResponse) Decode(d *Decoder) { r.ACL = decodeACLs(d); r.Stat.Decode(d) }

// AuthRequest is the body of auth.
type AuthRequest struct {
	Type   int32
	Scheme string
	Auth   []byte
}

func (r *AuthRequest) Encode(e *Encoder) { e.Int(r.Type); e.String(r.Scheme); e.Bytes(r.Auth) }
func (r *AuthRequest) Decode(d *Decoder) { r.Type, r.Scheme, r.Auth = d.Int(), d.String(), d.Bytes() }

// Token is the body of sasl and of the reply to it.
type Token struct{ Token []byte }

func (r *Token) Encode(e *Encoder) { e.Bytes(r.Token) }
func (r *Token) Decode(d *Decoder) { r.Token = d.Bytes() }

// SetWatches is the body of setWatches and setWatches2, which set the watches of a
// resumed session again; setWatches2 also sets persistent ones.
type SetWatches struct {
	RelativeZxid                    int64
	Data, Exist, Child              []string
	Persistent, PersistentRecursive []string
	Version2                        bool // set before coding: the operation is setWatches2
}

func (r *SetWatches) Encode(e *Encoder) {
	e.Long(r.RelativeZxid)
	e.Strings(r.Data)
	e.Strings(r.Exist)
	e.Strings(r.Child)
	if r.Version2 {
		e.Strings(r.Persistent)
		e.Strings(r.PersistentRecursive)
	}
}

func (r *SetWatches) Decode(d *Decoder) {
	r.RelativeZxid, r.Data, r.Exist, r.Child = d.Long(), d.Strings(), d.Strings(), d.Strings()
	if r.Version2 {
		r.Persistent, r.PersistentRecursive = d.Strings(), d.Strings()
	}
}

// PathKind is the body of removeWatches and checkWatches (a Watcher…
// constant), and of addWatch (its mode).
type PathKind struct {
	Path string
	Kind int32
}

func (r *PathKind) Encode(e *Encoder) { e.String(r.Path); e.Int(r.Kind) }
func (r *PathKind) Decode(d *Decoder) { r.Path, r.Kind = d.String(), d.Int() }

// WatcherEvent is the body of a notification.
type WatcherEvent struct {
	Type, State int32
	Path        string
}

func (r *WatcherEvent) Encode(e *Encoder) { e.Int(r.Type); e.Int(r.State); e.String(r.Path) }
func (r *WatcherEvent) Decode(d *Decoder) { r.Type, r.State, r.Path = d.Int(), d.Int(), d.String() }
