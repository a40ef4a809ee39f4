package lock_test

import (
	"testing"

	"github.com/zkrecipes/zkrecipes/internal/test/testkit"
)

func TestMain(m *testing.M) { testkit.Main(m) }
