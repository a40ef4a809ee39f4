package main

import (
	"bytes"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	if err := run(t.Context(), &out); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	parts := strings.Split(strings.TrimSpace(out.String()), "\n\n")
	if len(parts) < len(sections) {
		t.Fatalf("not %d sections:\n%s", len(sections), &out)
	}
	parts = parts[len(parts)-len(sections):] // the first says which servers it uses
	for i, pattern := range []string{
		`(?s)^Three (.*holds the lock.*){6}$`,
		`(?s)^A leader .* leads, .* is killed; .* leads, `,
		`(?s)^A holder .*ann +holds .*ann +is cut .*ann +is told: lock: ownership lost: .*bob +holds .*ann +is back`,
		`(?s)^Three members (.*is there){3}.*begins(.*has finished){3}(.*leaves){3}$`,
		`(?s)^A worker .*bob +begins to wash, attempt 1.*bob +is killed(.*cleo +does){3}`,
		`(?s)^A config.*ann +goes by a limit of 20 \(<nil>\).*bob .*nonsense.*ann +goes by a limit of 20 \([^<].*bob`,
		`(?s)^Numbers (.*given number [123],){3}.*ann +holds slot 0.*bob +holds slot 1.*ann +is killed.*cleo +holds slot 0`,
		`(?s)^A group .*cleo +sees .*ann is first of 2.*ann +is killed.*cleo +sees 0 join and 1 leave; bob is first of 1$`,
		`(?s)^A master .*cleo +begins to plant, attempt 1.*ann +is killed.*cleo +is killed.*dora +does plant, attempt 2.*bob +hears that task-0000000002 was done by dora$`,
		`(?s)^Calls .*cleo +is answered by .*ann +is cut off(.*cleo +is answered by bob){3}.*ann +is told: .*ann +is registered again(.*cleo +is answered by ann.*bob|.*cleo +is answered by bob.*ann)$`,
	} {
		if !regexp.MustCompile(pattern).MatchString(parts[i]) {
			t.Errorf("no %s in:\n%s", pattern, parts[i])
		}
		if n := strings.Count(parts[i], "\n"); n > 20 {
			t.Errorf("%d lines:\n%s", n, parts[i])
		}
		last := 0
		for _, m := range regexp.MustCompile(`token (\d+)`).FindAllStringSubmatch(parts[i], -1) {
			token, err := strconv.Atoi(m[1])
			if err != nil || token <= last {
				t.Errorf("token %d after %d in:\n%s", token, last, parts[i])
			}
			last = token
		}
	}
}
