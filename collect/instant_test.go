package collect

import (
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestInstants(t *testing.T) {
	for text, want := range map[string]string{
		"2026-11-22T13:20:00Z":                 "2026-11-22T13:20:00Z",
		"2026-11-22t13:20:00.5z":               "2026-11-22T13:20:00.5Z",
		"2026-11-22 13:20:00,123+0530":         "2026-11-22T07:50:00.123Z",
		"2026-11-22T13:20:00.1234567899-01:00": "2026-11-22T14:20:00.123456789Z",
		"2024-02-29T23:59:60Z":                 "2024-03-01T00:00:00Z",
		"22/Nov/2026:13:17:21 -0400":           "2026-11-22T17:17:21Z",
		"0":                                    "1970-01-01T00:00:00Z",
		"1795353600":                           "2026-11-22T13:20:00Z",
		"1795353600.000000001":                 "2026-11-22T13:20:00.000000001Z",
		"1795353600123":                        "2026-11-22T13:20:00.123Z",
		"1795353600123.5":                      "2026-11-22T13:20:00.1235Z",
		"1795353600123456":                     "2026-11-22T13:20:00.123456Z",
		"1795353600123456789":                  "2026-11-22T13:20:00.123456789Z",
	} {
		got, ok := new(instants).read([]byte(text))
		if !ok || got.UTC().Format(time.RFC3339Nano) != want {
			t.Errorf("%s: %v %v, want %s", text, got.UTC(), ok, want)
		}
	}
	for _, text := range []string{
		"", "-", "x", "-5", "1e9", "1.", ".5", "1.x", "99999999999999999999", "9999999999999999999",
		"2026-11-22", "2026-11-22T13:20:00", "2026-11-22T13:20Z", "2026-11-22T24:00:00Z", "2026-02-30T00:00:00Z", "2026-13-01T00:00:00Z",
		"2026-11-22T13:20:00.Z", "2026-11-22T13:20:00+24:00", "2026-11-22T13:20:00+1:00", "2026-11-22T13:20:00ZZ", "2026-1a-22T13:20:00Z",
		"22/Now/2026:13:17:21 +0000", "22/Nov/2026:13:17:21 +00:0", "22-Nov-2026 13:17:21 +0000",
	} {
		if got, ok := new(instants).read([]byte(text)); ok {
			t.Errorf("%q: %v", text, got.UTC())
		}
	}
}

// TestInstantsProperty compares with package time, one reader for all, so that
// what it remembers is tried too.
func TestInstantsProperty(t *testing.T) {
	var in instants
	rapid.Check(t, func(rt *rapid.T) {
		at := time.Unix(rapid.Int64Range(0, 4e9).Draw(rt, "s"), rapid.Int64Range(0, 999_999_999).Draw(rt, "ns"))
		at = at.In(time.FixedZone("", 60*rapid.IntRange(-14*60, 14*60).Draw(rt, "zone")))
		for _, layout := range []string{time.RFC3339Nano, "02/Jan/2006:15:04:05 -0700", "2006-01-02 15:04:05.000-0700"} {
			text := at.Format(layout)
			want, err := time.Parse(layout, text)
			if err != nil {
				rt.Fatal(err)
			}
			if got, ok := in.read([]byte(text)); !ok || !got.Equal(want) {
				rt.Fatalf("%s: %v, %v", text, got, ok)
			}
		}
		if got, ok := in.read([]byte(strconv.FormatInt(at.Unix(), 10))); !ok || got.Unix() != at.Unix() {
			rt.Fatalf("%d: %v", at.Unix(), got)
		}
	})
}
