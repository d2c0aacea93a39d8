package detect

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

func TestParseFraction(t *testing.T) {
	for text, want := range map[string]float64{
		"0.5%": 0.005, "0.5 %": 0.005, "0.005": 0.005, "1%": 0.01, "100%": 1, "0": 0, "0.7%": 0.007, "1": 1, ".5": .5, "33.3%": 0.333,
	} {
		if got, err := ParseFraction(text); err != nil || got != want {
			t.Errorf("%s: %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "%", "x", "-1%", "101%", "1.1", "1e-3", "0x1p-2", "NaN", "inf", "1..2", "0.5%%", "5 percent"} {
		if got, err := ParseFraction(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestThresholdIsDecimal(t *testing.T) {
	tests := []struct {
		above      float64
		bad, total int64
		want       bool
	}{
		{0.005, 1, 200, false},
		{0.005, 1, 199, true},
		{0.005, 5, 1000, false},
		{0.007, 7, 1000, false}, // 0.007*1000 is 7.000000000000001 in floating point or 7, as it likes
		{0.1, 3, 30, false},
		{0.29, 29, 100, false}, // 0.29*100 < 29 in floating point
		{0.29, 30, 100, true},
		{0, 0, 10, false},
		{0, 1, 1 << 50, true},
		{0, 0, 0, false},
		{1e-300, 1, 1 << 50, true},
		{1, 10, 10, false},
	}
	for _, tt := range tests {
		if got := newThreshold(tt.above).exceeded(tt.bad, tt.total); got != tt.want {
			t.Errorf("%d/%d above %v: %v", tt.bad, tt.total, tt.above, got)
		}
	}
}

// TestThresholdExact compares with fractions of any size.
func TestThresholdExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		parts := rapid.Int64Range(0, 999_999).Draw(rt, "parts")
		total := rapid.Int64Range(1, 1<<52).Draw(rt, "total")
		f, _ := new(big.Rat).SetFrac64(parts, 1_000_000).Float64()
		exact := new(big.Rat).Mul(big.NewRat(parts, 1_000_000), new(big.Rat).SetInt64(total))
		edge := new(big.Int).Quo(exact.Num(), exact.Denom()).Int64()
		for bad := max(0, edge-1); bad <= min(total, edge+1); bad++ {
			want := new(big.Rat).SetInt64(bad).Cmp(exact) > 0
			if got := newThreshold(f).exceeded(bad, total); got != want {
				rt.Fatalf("%d of %d above %v: %v", bad, total, f, got)
			}
		}
	})
}
