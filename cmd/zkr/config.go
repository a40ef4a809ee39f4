package main

import (
	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/config"
)

func newConfig(a *app) *cobra.Command {
	return group("config", "Store configuration, and pass changes to programs",
		`Store configuration in nodes, one value in each, and pass changes to programs.`,
		newConfigGet(a), newConfigSet(a), newConfigEdit(a), newConfigWatch(a))
}

// valueVersion is one version of a value. zkr does not interpret the bytes.
type valueVersion = config.Snapshot[[]byte]

// versionJSON is a version without the value.
type versionJSON struct {
	Version int32 `json:"version"`
	Zxid    int64 `json:"zxid"`
}

// valueJSON is a version with the value.
type valueJSON struct {
	versionJSON
	payload
}

func newVersionJSON(v valueVersion) versionJSON { return versionJSON{v.Version, int64(v.Zxid)} }

func newValueJSON(v valueVersion) valueJSON {
	return valueJSON{newVersionJSON(v), newPayload(v.Value)}
}
