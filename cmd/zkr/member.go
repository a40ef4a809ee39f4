package main

import (
	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/membership"
)

func newMember(a *app) *cobra.Command {
	return group("member", "Be a member of a group, and see who is",
		`Be a member of a group, and see who is. Members go when they leave, when they die, and
when they are cut off for longer than their session timeout.`,
		newMemberJoin(a), newMemberLs(a), newMemberWatch(a))
}

// memberJSON is a member as others see it.
type memberJSON struct {
	ID      string `json:"id"`
	Session string `json:"session"`
	Token   int64  `json:"token"`
	payload
}

func newMemberJSON(m membership.Member) memberJSON {
	return memberJSON{m.ID, hex(m.Session), int64(m.Token), newPayload(m.Data)}
}

// memberText is a member's id and, if it has any, its data.
func memberText(m membership.Member) string {
	if len(m.Data) == 0 {
		return oneWord(m.ID)
	}
	return oneWord(m.ID) + " " + oneLine(m.Data)
}
