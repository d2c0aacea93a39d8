package cart

import "testing"

func TestAdd(t *testing.T) {
	if Add(1, 2) != 3 {
		t.Fatal("1 and 2 is not 3")
	}
}

func TestSum(t *testing.T) {
	t.Log("adding")
	t.Run("of two", func(t *testing.T) {
		if got := Add(1, 1); got != 3 {
			t.Errorf("got %d want 3", got)
		}
	})
	t.Run("of none", func(t *testing.T) {})
}

func TestNetwork(t *testing.T) { t.Skip("no network") }
