package wire

import "strconv"

// Op is an operation code of a request header.
type Op int32

// The operation codes of ZooKeeper 3.9.
const (
	OpNotification         Op = 0
	OpCreate               Op = 1
	OpDelete               Op = 2
	OpExists               Op = 3
	OpGetData              Op = 4
	OpSetData              Op = 5
	OpGetACL               Op = 6
	OpSetACL               Op = 7
	OpGetChildren          Op = 8
	OpSync                 Op = 9
	OpPing                 Op = 11
	OpGetChildren2         Op = 12
	OpCheck                Op = 13
	OpMulti                Op = 14
	OpCreate2              Op = 15
	OpReconfig             Op = 16
	OpCheckWatches         Op = 17
	OpRemoveWatches        Op = 18
	OpCreateContainer      Op = 19
	OpDeleteContainer      Op = 20
	OpCreateTTL            Op = 21
	OpMultiRead            Op = 22
	OpAuth                 Op = 100
	OpSetWatches           Op = 101
	OpSASL                 Op = 102
	OpGetEphemerals        Op = 103
	OpGetAllChildrenNumber Op = 104
	OpSetWatches2          Op = 105
	OpAddWatch             Op = 106
	OpWhoAmI               Op = 107
	OpCreateSession        Op = -10
	OpClose                Op = -11
	OpError                Op = -1
)

var opNames = map[Op]string{
	OpNotification: "notification", OpCreate: "create", OpDelete: "delete", OpExists: "exists",
	OpGetData: "getData", OpSetData: "setData", OpGetACL: "getACL", OpSetACL: "setACL",
	OpGetChildren: "getChildren", OpSync: "sync", OpPing: "ping", OpGetChildren2: "getChildren2",
	OpCheck: "check", OpMulti: "multi", OpCreate2: "create2", OpReconfig: "reconfig",
	OpCheckWatches: "checkWatches", OpRemoveWatches: "removeWatches",
	OpCreateContainer: "createContainer", OpDeleteContainer: "deleteContainer",
	OpCreateTTL: "createTTL", OpMultiRead: "multiRead", OpAuth: "auth", OpSetWatches: "setWatches",
	OpSASL: "sasl", OpGetEphemerals: "getEphemerals", OpGetAllChildrenNumber: "getAllChildrenNumber",
	OpSetWatches2: "setWatches2", OpAddWatch: "addWatch", OpWhoAmI: "whoAmI",
	OpCreateSession: "createSession", OpClose: "closeSession", OpError: "error",
}

// String returns the name of the operation in ZooKeeper's documentation.
func (o Op) String() string {
	if n, ok := opNames[o]; ok {
		return n
	}
	return "op(" + strconv.Itoa(int(o)) + ")"
}

// The reserved transaction ids.
const (
	XidNotification int32 = -1
	XidPing         int32 = -2
	XidAuth         int32 = -4
	XidSetWatches   int32 = -8
)

// Code is the error code of a reply header.
type Code int32

// The error codes of ZooKeeper 3.9.
const (
	OK                         Code = 0
	CodeSystemError            Code = -1
	CodeRuntimeInconsistency   Code = -2
	CodeDataInconsistency      Code = -3
	CodeConnectionLoss         Code = -4
	CodeMarshallingError       Code = -5
	CodeUnimplemented          Code = -6
	CodeOperationTimeout       Code = -7
	CodeBadArguments           Code = -8
	CodeNewConfigNoQuorum      Code = -13
	CodeReconfigInProgress     Code = -14
	CodeUnknownSession         Code = -12
	CodeAPIError               Code = -100
	CodeNoNode                 Code = -101
	CodeNoAuth                 Code = -102
	CodeBadVersion             Code = -103
	CodeNoChildrenForEphemeral Code = -108
	CodeNodeExists             Code = -110
	CodeNotEmpty               Code = -111
	CodeSessionExpired         Code = -112
	CodeInvalidCallback        Code = -113
	CodeInvalidACL             Code = -114
	CodeAuthFailed             Code = -115
	CodeSessionMoved           Code = -118
	CodeNotReadOnly            Code = -119
	CodeEphemeralOnLocal       Code = -120
	CodeNoWatcher              Code = -121
	CodeRequestTimeout         Code = -122
	CodeReconfigDisabled       Code = -123
	CodeSASLRequired           Code = -124
	CodeQuotaExceeded          Code = -125
	CodeThrottled              Code = -127
)

var codeNames = map[Code]string{
	OK: "ok", CodeSystemError: "system error", CodeRuntimeInconsistency: "runtime inconsistency",
	CodeDataInconsistency: "data inconsistency", CodeConnectionLoss: "connection loss",
	CodeMarshallingError: "marshalling error", CodeUnimplemented: "unimplemented by the server",
	CodeOperationTimeout: "operation timeout", CodeBadArguments: "bad arguments",
	CodeNewConfigNoQuorum: "no quorum of the new configuration", CodeReconfigInProgress: "reconfiguration in progress",
	CodeUnknownSession: "unknown session", CodeAPIError: "api error", CodeNoNode: "no such node",
	CodeNoAuth: "not authorized", CodeBadVersion: "bad version",
	CodeNoChildrenForEphemeral: "ephemeral nodes may not have children", CodeNodeExists: "node already exists",
	CodeNotEmpty: "node has children", CodeSessionExpired: "session expired",
	CodeInvalidCallback: "invalid callback", CodeInvalidACL: "invalid ACL",
	CodeAuthFailed: "authentication failed", CodeSessionMoved: "session moved to another server",
	CodeNotReadOnly: "server is read-only", CodeEphemeralOnLocal: "ephemeral node on a local session",
	CodeNoWatcher: "no such watcher", CodeRequestTimeout: "request timeout",
	CodeReconfigDisabled: "reconfiguration disabled", CodeSASLRequired: "session closed: SASL authentication required",
	CodeQuotaExceeded: "quota exceeded", CodeThrottled: "request throttled by the server",
}

// String describes the error code.
func (c Code) String() string {
	if n, ok := codeNames[c]; ok {
		return n
	}
	return "error code " + strconv.Itoa(int(c))
}

// The types of a watch event.
const (
	EventNone            int32 = -1
	EventCreated         int32 = 1
	EventDeleted         int32 = 2
	EventDataChanged     int32 = 3
	EventChildrenChanged int32 = 4
)

// StateConnected is the keeper state of watch events.
const StateConnected int32 = 3

// The kinds of watchers in removeWatches and checkWatches.
const (
	WatcherChildren int32 = 1
	WatcherData     int32 = 2
	WatcherAny      int32 = 3
)

// The flags of a create.
const (
	FlagPersistent              int32 = 0
	FlagEphemeral               int32 = 1
	FlagSequential              int32 = 2
	FlagEphemeralSequential     int32 = 3
	FlagContainer               int32 = 4
	FlagTTL                     int32 = 5
	FlagPersistentSequentialTTL int32 = 6
)

// The permissions of an ACL.
const (
	PermRead int32 = 1 << iota
	PermWrite
	PermCreate
	PermDelete
	PermAdmin
	PermAll int32 = 31
)
