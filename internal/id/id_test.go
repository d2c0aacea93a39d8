package id_test

import (
	"testing"
	"time"

	"github.com/musterhq/muster/internal/id"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestNewSortsByTime(t *testing.T) {
	at := noon
	for _, d := range []time.Duration{time.Microsecond, 500 * time.Microsecond, time.Millisecond, time.Hour} {
		a, b := id.New(at), id.New(at.Add(d))
		if a[14] != '7' || a >= b {
			t.Errorf("%s, then after %v %s", a, d, b)
		}
		at = at.Add(d)
	}
}

func TestAt(t *testing.T) {
	for _, at := range []time.Time{noon, noon.Add(987 * time.Millisecond), time.UnixMilli(1).UTC()} {
		if got, ok := id.At(id.New(at)); !ok || !got.Equal(at) {
			t.Errorf("made at %v, read as %v, %v", at, got, ok)
		}
	}
	if _, ok := id.At("checkout"); ok {
		t.Error("a slug is no id")
	}
}

func TestMemberFindsItsSeries(t *testing.T) {
	s := id.NewSeries(noon)
	for _, n := range []int{0, 1, 255, 256, id.Members - 1} {
		series, got, err := id.SplitMember(s.Member(n))
		if err != nil || series != s.String() || got != n {
			t.Errorf("member %d: series %s, number %d, %v; want %s", n, series, got, err, s)
		}
	}
	for _, bad := range []string{"", "x", "0190a5f2-1c3e-7000-8000-00000000000g", "0190a5f21c3e70008000000000000000"} {
		if _, _, err := id.SplitMember(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
