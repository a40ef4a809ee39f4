package main

import (
	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/config"
)

func newConfig(a *app) *cobra.Command {
	return group("config", "Keep configuration, and programs up to date with it",
		`Keep configuration in nodes, one value in each, and programs up to date with it.`,
		newConfigGet(a), newConfigSet(a), newConfigEdit(a), newConfigWatch(a))
}

// valueVersion is a value as zkr knows it: bytes that mean nothing to it.
type valueVersion = config.Snapshot[[]byte]

// versionJSON is a version without its value.
type versionJSON struct {
	Version int32 `json:"version"`
	Zxid    int64 `json:"zxid"`
}

// valueJSON is a version with its value.
type valueJSON struct {
	versionJSON
	payload
}

func newVersionJSON(v valueVersion) versionJSON { return versionJSON{v.Version, int64(v.Zxid)} }

func newValueJSON(v valueVersion) valueJSON {
	return valueJSON{newVersionJSON(v), newPayload(v.Value)}
}
