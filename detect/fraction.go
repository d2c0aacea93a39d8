package detect

import (
	"math/big"
	"math/bits"
	"strconv"
	"strings"
)

// ParseFraction reads a fraction or a percentage: "0.5%" and "0.005" are both
// 0.005. It must be at least 0 and at most 1. Its error is a *SyntaxError.
func ParseFraction(text string) (float64, error) {
	digits, percent := strings.CutSuffix(text, "%")
	digits = strings.TrimSpace(digits)
	offset := strings.Index(text, digits)
	if n := len(digits); n == 0 || n > 40 || strings.Trim(digits, "0123456789.") != "" {
		return 0, &SyntaxError{offset, "expected a fraction such as 0.005 or a percentage such as 0.5%"}
	}
	if percent {
		digits += "e-2" // shifts the decimal point, where a division would round once more
	}
	f, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		return 0, &SyntaxError{offset, "expected a fraction such as 0.005 or a percentage such as 0.5%"}
	}
	if f > 1 {
		return 0, &SyntaxError{offset, "a fraction is at most 1, a percentage at most 100%"}
	}
	return f, nil
}

// A threshold is a fraction as the decimal that a person wrote: parts/scale.
// 0.005 has no exact binary form, and one bad record in 200 must not be above
// 0.5 %.
type threshold struct{ parts, scale uint64 }

// newThreshold returns the shortest decimal that reads as f. Digits beyond the
// 18th after the point are cut: they could not matter to any count below 1e18.
func newThreshold(f float64) threshold {
	const scale = 1_000_000_000_000_000_000
	if !(f > 0) {
		return threshold{0, 1}
	}
	if f >= 1 {
		return threshold{1, 1}
	}
	r, ok := new(big.Rat).SetString(strconv.FormatFloat(f, 'g', -1, 64))
	if !ok {
		return threshold{1, 1} // NaN was caught above; FormatFloat writes nothing else that fails
	}
	r.Mul(r, new(big.Rat).SetInt64(scale))
	return threshold{new(big.Int).Quo(r.Num(), r.Denom()).Uint64(), scale}
}

// exceeded reports whether bad/total is above the threshold, exactly.
func (h threshold) exceeded(bad, total int64) bool { return less(h.parts, h.scale, bad, total) }

// less reports whether a/b < bad/total, exactly; nothing is less than 0/0.
func less(a, b uint64, bad, total int64) bool {
	if bad <= 0 || total <= 0 {
		return false
	}
	h1, l1 := bits.Mul64(a, uint64(total))
	h2, l2 := bits.Mul64(uint64(bad), b)
	return h1 < h2 || h1 == h2 && l1 < l2
}
