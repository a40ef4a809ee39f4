package naming_test

import (
	"errors"
	"testing"

	"github.com/zkrecipes/zkrecipes/codec"
	"github.com/zkrecipes/zkrecipes/naming"
	"github.com/zkrecipes/zkrecipes/session"
	"github.com/zkrecipes/zkrecipes/zktest"
)

// Data that is not a number of the sequence's kind is reported, and stays.
func TestSequenceLeavesOtherDataAlone(t *testing.T) {
	srv := zktest.Open(t)
	s := srv.Session(t)
	for name, c := range map[string]struct {
		data string
		opts []naming.SequenceOption
	}{
		"JSON":         {`{"rate":7,"burst":20}`, nil},
		"7 bytes":      {"1234567", nil},
		"9 bytes":      {"\x00\x00\x00\x00\x00\x00\x00\x07\n", nil},
		"decimal JSON": {`{"rate":7}`, []naming.SequenceOption{naming.WithDecimal()}},
		"a plus":       {"+7", []naming.SequenceOption{naming.WithDecimal()}},
		"zeros":        {"007", []naming.SequenceOption{naming.WithDecimal()}},
		"a newline":    {"7\n", []naming.SequenceOption{naming.WithDecimal()}},
	} {
		t.Run(name, func(t *testing.T) {
			path := "/other/" + name
			if _, _, err := s.Create(t.Context(), path, []byte(c.data), session.Parents()); err != nil {
				t.Fatal(err)
			}
			q := naming.NewSequence(s, path, c.opts...)
			if n, err := q.Next(t.Context()); !errors.Is(err, codec.ErrMalformed) {
				t.Errorf("Next: %d, %v", n, err)
			}
			if n, err := q.Reserve(t.Context(), 3); !errors.Is(err, codec.ErrMalformed) {
				t.Errorf("Reserve: %d, %v", n, err)
			}
			if n, err := q.Last(t.Context()); !errors.Is(err, codec.ErrMalformed) || n != 0 {
				t.Errorf("Last: %d, %v", n, err)
			}
			if data, st, err := s.Get(t.Context(), path); err != nil || string(data) != c.data || st.Version != 0 {
				t.Errorf("there is %q in version %d, %v", data, st.Version, err)
			}
		})
	}
}
