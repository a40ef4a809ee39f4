package main

import (
	"github.com/spf13/cobra"

	"github.com/zkrecipes/zkrecipes/membership"
)

func newMember(a *app) *cobra.Command {
	return group("member", "Join a group, and list its members",
		`Join a group, and list its members. A member is removed when it leaves, when it
dies, and when it is cut off for longer than its session timeout.`,
		newMemberJoin(a), newMemberLs(a), newMemberWatch(a))
}

// memberJSON describes a member.
type memberJSON struct {
	ID      string `json:"id"`
	Session string `json:"session"`
	Token   int64  `json:"token"`
	payload
}

func newMemberJSON(m membership.Member) memberJSON {
	return memberJSON{m.ID, hex(m.Session), int64(m.Token), newPayload(m.Data)}
}

// memberText returns a member's id and, if there is any, its data.
func memberText(m membership.Member) string {
	if len(m.Data) == 0 {
		return oneWord(m.ID)
	}
	return oneWord(m.ID) + " " + oneLine(m.Data)
}
