package session

import (
	"math"
	"time"

	"github.com/zkrecipes/zkrecipes/internal/client/wire"
)

// Zxid is a transaction id. It grows with every change in the ensemble, across all
// clients and servers. The Czxid of a node is the token that fences the writes of
// earlier owners.
//
// A Zxid is a decimal number wherever it is written: by package fmt, in JSON, and by the
// command zkr. Store it in a signed column of 64 bits (BIGINT), and accept a write only
// if its token is not smaller than the stored one:
//
//	UPDATE report SET body = $1, token = $2 WHERE id = $3 AND token <= $2
type Zxid int64

// Stat is the metadata of a node.
type Stat struct {
	Czxid          Zxid // the transaction that created the node
	Mzxid          Zxid // the last transaction that changed its data
	Pzxid          Zxid // the last transaction that created or deleted a child of it
	Ctime, Mtime   time.Time
	Version        int32 // number of changes of the data since the node was created
	Cversion       int32 // number of changes of the children
	Aversion       int32 // number of changes of the ACL
	EphemeralOwner int64 // id of the ZooKeeper session that owns the node, if it is Ephemeral
	DataLength     int
	NumChildren    int
}

// Ephemeral reports whether a ZooKeeper session owns the node, so that the servers delete
// it when the session ends. EphemeralOwner alone does not show that: containers and nodes
// with a TTL have values there that are never session ids on servers that allow such
// nodes.
func (s Stat) Ephemeral() bool {
	return s.EphemeralOwner != 0 && s.EphemeralOwner != math.MinInt64 && uint64(s.EphemeralOwner)>>56 != 0xff
}

// Owner returns the id of the ZooKeeper session that owns the node, or 0 if none does.
func (s Stat) Owner() int64 {
	if !s.Ephemeral() {
		return 0
	}
	return s.EphemeralOwner
}

func fromWire(w *wire.Stat) Stat {
	return Stat{
		Czxid: Zxid(w.Czxid), Mzxid: Zxid(w.Mzxid), Pzxid: Zxid(w.Pzxid),
		Ctime: time.UnixMilli(w.Ctime), Mtime: time.UnixMilli(w.Mtime),
		Version: w.Version, Cversion: w.Cversion, Aversion: w.Aversion,
		EphemeralOwner: w.EphemeralOwner,
		DataLength:     int(w.DataLength), NumChildren: int(w.NumChildren),
	}
}
