package config_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/config"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"5m": 5 * time.Minute, "1h30m": 90 * time.Minute, "7d": 168 * time.Hour, "0s": 0, "90s": 90 * time.Second,
		"1d1h1m1s1ms": 25*time.Hour + time.Minute + time.Second + time.Millisecond, "1500ms": 1500 * time.Millisecond, "106751d": 106751 * 24 * time.Hour,
	} {
		if got, err := config.ParseDuration(text); err != nil || got != want {
			t.Errorf("%s is %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "m", "5M", "1.5h", "-5m", "+5m", "5m1h", "5m5m", "5 m", "1w", "5mm", "106752d", "9223372036854775808s", "１m"} {
		if got, err := config.ParseDuration(text); err == nil {
			t.Errorf("%q is taken for %v", text, got)
		}
	}
}

func TestDurationRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, 4_611_686_018_427).Draw(t, "ms")) * time.Millisecond
		text := config.FormatDuration(d)
		if got, err := config.ParseDuration(text); err != nil || got != d {
			t.Fatalf("%v is written %s and read %v, %v", d, text, got, err)
		}
	})
	if got := config.FormatDuration(-36 * time.Hour); got != "-1d12h" {
		t.Error(got)
	}
}

func FuzzParseDuration(f *testing.F) {
	f.Add("1h30m")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := config.ParseDuration(text)
		if err != nil {
			return
		}
		if strings.TrimLeft(text, "0123456789dhms") != "" || d < 0 {
			t.Errorf("%q is taken for %v", text, d)
		}
		if again, err := config.ParseDuration(config.FormatDuration(d)); err != nil || again != d {
			t.Errorf("%v, then %v, %v", d, again, err)
		}
	})
}
