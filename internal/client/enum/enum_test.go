package enum_test

import (
	"errors"
	"testing"

	"github.com/zkrecipes/zkrecipes/internal/client/enum"
)

type color uint8

var names = []string{"red", "green"}

func TestNames(t *testing.T) {
	invalid := errors.New("invalid")
	for i, name := range names {
		c, err := enum.Parse[color]("color", names, name, invalid)
		if c != color(i) || err != nil {
			t.Errorf("%q is parsed as %v, %v", name, c, err)
		}
		if got := enum.Name("color", names, c); got != name {
			t.Errorf("color %d is called %q", i, got)
		}
		if err := enum.Check("color", names, c, invalid); err != nil {
			t.Error(err)
		}
	}
	if got := enum.Name("color", names, color(7)); got != "color 7" {
		t.Errorf("color 7 is called %q", got)
	}
	if err := enum.Check("color", names, color(7), invalid); !errors.Is(err, invalid) {
		t.Error(err)
	}
	_, err := enum.Parse[color]("color", names, "blue", invalid)
	if !errors.Is(err, invalid) || err.Error() != `invalid: unknown color "blue" (known: red, green)` {
		t.Error(err)
	}
}
