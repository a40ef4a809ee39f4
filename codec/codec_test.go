package codec_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zkrecipes/zkrecipes/codec"
)

type limits struct {
	Rate  int      `json:"rate"`
	Names []string `json:"names,omitempty"`
}

func roundTrip[T any](t *testing.T, c codec.Codec[T], want string, v T) {
	t.Helper()
	data, err := c.Encode(v)
	if err != nil || string(data) != want {
		t.Errorf("Encode(%v) = %q, %v, want %q", v, data, err, want)
	}
	got, err := c.Decode(data)
	if err != nil {
		t.Errorf("Decode(%q): %v", data, err)
	}
	if diff := cmp.Diff(v, got); diff != "" {
		t.Error(diff)
	}
}

func TestCodecs(t *testing.T) {
	roundTrip(t, codec.JSON[limits](), `{"rate":5,"names":["a"]}`, limits{5, []string{"a"}})
	roundTrip(t, codec.JSON[*limits](), `null`, nil)
	roundTrip(t, codec.Bytes(), "\x00\xff", []byte{0, 255})
	roundTrip(t, codec.Bytes(), "", []byte{})
	roundTrip(t, codec.Text(), "grüß", "grüß")
	roundTrip(t, codec.Int64(), "\x00\x00\x00\x00\x00\x00\x01\x02", 258)
	roundTrip(t, codec.Int64(), "\x80\x00\x00\x00\x00\x00\x00\x00", math.MinInt64)
	roundTrip(t, codec.Int32(), "\xff\xff\xff\xff", -1)
}

func refuses[T any](t *testing.T, c codec.Codec[T], data string) {
	t.Helper()
	var zero T
	v, err := c.Decode([]byte(data))
	if !errors.Is(err, codec.ErrMalformed) {
		t.Errorf("Decode(%q): %v", data, err)
	}
	if diff := cmp.Diff(zero, v); diff != "" {
		t.Errorf("Decode(%q) failed and gave a value: %s", data, diff)
	}
}

func TestMalformed(t *testing.T) {
	for _, data := range []string{"", "{", `{"rate":1,"names":5}`, `{"rate":1}{}`, `{"rate":1} x`, "\xff"} {
		refuses(t, codec.JSON[limits](), data)
	}
	refuses(t, codec.Text(), "\xff")
	refuses(t, codec.Int64(), "1234567")
	refuses(t, codec.Int32(), "123")
	if _, err := codec.Text().Encode("\xff"); !errors.Is(err, codec.ErrMalformed) {
		t.Errorf("Encode of what is not UTF-8: %v", err)
	}
	if _, err := codec.JSON[chan int]().Encode(nil); err == nil {
		t.Error("JSON encodes a channel")
	}
}

// Curator reads absent data as zero. Data that is longer than a number is another
// value, which must not be taken for one and overwritten.
func TestIntegersAsCuratorReadsThem(t *testing.T) {
	if v, err := codec.Int64().Decode(nil); v != 0 || err != nil {
		t.Errorf("no data: %d, %v", v, err)
	}
	refuses(t, codec.Int64(), "\x00\x00\x00\x00\x00\x00\x00\x07rest")
	refuses(t, codec.Int64(), `{"rate":7,"burst":20}`)
	refuses(t, codec.Int32(), "\x00\x00\x00\x07\n")
	if v, err := codec.Int32().Decode([]byte{}); v != 0 || err != nil {
		t.Errorf("no data: %d, %v", v, err)
	}
}

// What the caller does to a slice must not change what was encoded or decoded.
func TestBytesAreCopied(t *testing.T) {
	in := []byte("abc")
	data, _ := codec.Bytes().Encode(in)
	in[0] = 'x'
	out, _ := codec.Bytes().Decode(data)
	data[1] = 'y'
	if string(out) != "abc" {
		t.Errorf("got %q", out)
	}
}

var errRate = errors.New("rate must be positive")

func TestChecked(t *testing.T) {
	c := codec.Checked(codec.JSON[limits](), func(l limits) error {
		if l.Rate <= 0 {
			return errRate
		}
		return nil
	})
	roundTrip(t, c, `{"rate":1}`, limits{Rate: 1})
	if _, err := c.Encode(limits{}); !errors.Is(err, errRate) {
		t.Errorf("Encode: %v", err)
	}
	if v, err := c.Decode([]byte(`{"rate":-1,"names":["a"]}`)); !errors.Is(err, errRate) || v.Rate != 0 || v.Names != nil {
		t.Errorf("Decode: %v, %v", v, err)
	}
	refuses(t, c, "{")
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"rate":1}`))
	f.Add([]byte{0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		codec.JSON[limits]().Decode(data)
		codec.Text().Decode(data)
		codec.Int32().Decode(data)
		if v, err := codec.Int64().Decode(data); err == nil {
			if again, err := codec.Int64().Encode(v); err != nil || len(data) > 0 && string(again) != string(data) {
				t.Errorf("%x became %x, %v", data, again, err)
			}
		}
	})
}

func ExampleChecked() {
	type Limits struct{ Rate int }
	c := codec.Checked(codec.JSON[Limits](), func(l Limits) error {
		if l.Rate <= 0 {
			return fmt.Errorf("rate %d is not positive", l.Rate)
		}
		return nil
	})
	l, err := c.Decode([]byte(`{"Rate": 100}`))
	fmt.Println(l.Rate, err)
	_, err = c.Decode([]byte(`{"Rate": -5}`))
	fmt.Println(err)
	// Output:
	// 100 <nil>
	// codec: refused: rate -5 is not positive
}
