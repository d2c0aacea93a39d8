package oncall_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/oncall"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestInstant has the cases that implementations get wrong, in places whose
// clocks do unusual things.
func TestInstant(t *testing.T) {
	tests := []struct {
		name         string
		zone         string
		date         oncall.Date
		hour, minute int
		want         string
	}{
		{"plain", "Europe/Berlin", oncall.Date{Year: 2026, Month: 1, Day: 15}, 9, 0, "2026-01-15T09:00:00+01:00"},
		{"skipped hour goes to the end of the gap", "Europe/Berlin", oncall.Date{Year: 2026, Month: 3, Day: 29}, 2, 30, "2026-03-29T03:00:00+02:00"},
		{"its first minute too", "Europe/Berlin", oncall.Date{Year: 2026, Month: 3, Day: 29}, 2, 0, "2026-03-29T03:00:00+02:00"},
		{"New York, where time.Date says 01:30", "America/New_York", oncall.Date{Year: 2026, Month: 3, Day: 8}, 2, 30, "2026-03-08T03:00:00-04:00"},
		{"twice, the first", "America/New_York", oncall.Date{Year: 2026, Month: 11, Day: 1}, 1, 30, "2026-11-01T01:30:00-04:00"},
		{"twice, the first, in Berlin", "Europe/Berlin", oncall.Date{Year: 2026, Month: 10, Day: 25}, 2, 30, "2026-10-25T02:30:00+02:00"},
		{"just after the repeated hour", "Europe/Berlin", oncall.Date{Year: 2026, Month: 10, Day: 25}, 3, 0, "2026-10-25T03:00:00+01:00"},
		{"half an hour of summer time", "Australia/Lord_Howe", oncall.Date{Year: 2026, Month: 10, Day: 4}, 2, 15, "2026-10-04T02:30:00+11:00"},
		{"and back", "Australia/Lord_Howe", oncall.Date{Year: 2026, Month: 4, Day: 5}, 1, 45, "2026-04-05T01:45:00+11:00"},
		{"two hours of summer time", "Antarctica/Troll", oncall.Date{Year: 2026, Month: 3, Day: 29}, 1, 30, "2026-03-29T03:00:00+02:00"},
		{"winter is the summer time of Dublin", "Europe/Dublin", oncall.Date{Year: 2026, Month: 10, Day: 25}, 1, 30, "2026-10-25T01:30:00+01:00"},
		{"a day that was not", "Pacific/Apia", oncall.Date{Year: 2011, Month: 12, Day: 30}, 9, 0, "2011-12-31T00:00:00+14:00"},
		{"midnight that is skipped", "America/Havana", oncall.Date{Year: 2026, Month: 3, Day: 8}, 0, 0, "2026-03-08T01:00:00-04:00"},
		{"end of day", "Europe/Berlin", oncall.Date{Year: 2026, Month: 2, Day: 28}, 24, 0, "2026-03-01T00:00:00+01:00"},
		{"leap day", "UTC", oncall.Date{Year: 2028, Month: 2, Day: 29}, 12, 0, "2028-02-29T12:00:00Z"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := oncall.Instant(tt.date, tt.hour, tt.minute, zone(t, tt.zone))
			if !got.Equal(at(t, tt.want)) {
				t.Errorf("%v, want %s", got, tt.want)
			}
		})
	}
	if got := oncall.Instant(oncall.Date{Year: 2026, Month: 1, Day: 2}, 3, 4, nil); got.Format(time.RFC3339) != "2026-01-02T03:04:00Z" {
		t.Errorf("without a zone: %v", got)
	}
}

func TestDate(t *testing.T) {
	d := oncall.Date{Year: 2028, Month: 2, Day: 28}
	for n, want := range map[int]string{0: "2028-02-28", 1: "2028-02-29", 2: "2028-03-01", 366: "2029-02-28", -59: "2027-12-31"} {
		if got := d.Add(n).String(); got != want {
			t.Errorf("%v + %d days = %s, want %s", d, n, got, want)
		}
	}
	if d.Weekday() != time.Monday {
		t.Errorf("%v is a %v", d, d.Weekday())
	}
}

// weekly is ana, bob and chi by turns from Monday at nine, in London.
func weekly(t testing.TB) oncall.Schedule {
	return oncall.Schedule{Slug: "primary", Zone: zone(t, "Europe/London"), Layers: []oncall.Layer{{
		Users:   []string{"ana", "bob", "chi"},
		Every:   7,
		Handoff: oncall.Handoff{Date: oncall.Date{Year: 2026, Month: 3, Day: 2}, Hour: 9},
	}}}
}

type row struct{ From, To, User, Override string }

func rows(shifts []oncall.Shift) []row {
	var out []row
	for _, s := range shifts {
		out = append(out, row{s.From.Format("Mon 2 Jan 15:04 -07"), s.To.Format("Mon 2 Jan 15:04 -07"), s.User, s.Override})
	}
	return out
}

func TestShifts(t *testing.T) {
	over := func(id, user, from, to string) oncall.Override {
		return oncall.Override{ID: id, User: user, From: at(t, from), To: at(t, to)}
	}
	tests := []struct {
		name      string
		edit      func(*oncall.Schedule)
		overrides []oncall.Override
		from, to  string
		want      []row
	}{
		{"the handoff stays at nine when summer time comes", nil, nil, "2026-03-16T09:00:00Z", "2026-04-06T08:00:00Z", []row{
			{"Mon 16 Mar 09:00 +00", "Mon 23 Mar 09:00 +00", "chi", ""},
			{"Mon 23 Mar 09:00 +00", "Mon 30 Mar 09:00 +01", "ana", ""},
			{"Mon 30 Mar 09:00 +01", "Mon 6 Apr 09:00 +01", "bob", ""},
		}},
		{"the rotation reaches back before its first handoff", nil, nil, "2026-02-23T09:00:00Z", "2026-03-02T10:00:00Z", []row{
			{"Mon 23 Feb 09:00 +00", "Mon 2 Mar 09:00 +00", "chi", ""},
			{"Mon 2 Mar 09:00 +00", "Mon 2 Mar 10:00 +00", "ana", ""},
		}},
		{"an override splits a shift", nil, []oncall.Override{over("o1", "dan", "2026-03-04T10:00:00Z", "2026-03-04T18:00:00Z")},
			"2026-03-02T09:00:00Z", "2026-03-09T09:00:00Z", []row{
				{"Mon 2 Mar 09:00 +00", "Wed 4 Mar 10:00 +00", "ana", ""},
				{"Wed 4 Mar 10:00 +00", "Wed 4 Mar 18:00 +00", "dan", "o1"},
				{"Wed 4 Mar 18:00 +00", "Mon 9 Mar 09:00 +00", "ana", ""},
			}},
		{"an override lasts over a handoff", nil, []oncall.Override{over("o1", "dan", "2026-03-09T08:00:00Z", "2026-03-09T10:00:00Z")},
			"2026-03-09T00:00:00Z", "2026-03-09T12:00:00Z", []row{
				{"Mon 9 Mar 00:00 +00", "Mon 9 Mar 08:00 +00", "ana", ""},
				{"Mon 9 Mar 08:00 +00", "Mon 9 Mar 10:00 +00", "dan", "o1"},
				{"Mon 9 Mar 10:00 +00", "Mon 9 Mar 12:00 +00", "bob", ""},
			}},
		{"the later override wins", nil, []oncall.Override{
			over("o1", "dan", "2026-03-04T10:00:00Z", "2026-03-04T14:00:00Z"),
			over("o2", "eve", "2026-03-04T12:00:00Z", "2026-03-04T16:00:00Z"),
		}, "2026-03-04T10:00:00Z", "2026-03-04T16:00:00Z", []row{
			{"Wed 4 Mar 10:00 +00", "Wed 4 Mar 12:00 +00", "dan", "o1"},
			{"Wed 4 Mar 12:00 +00", "Wed 4 Mar 16:00 +00", "eve", "o2"},
		}},
		{"a slip of the pen takes nobody off call", nil, []oncall.Override{
			over("o1", "", "2026-03-04T10:00:00Z", "2026-03-04T14:00:00Z"),
			over("o2", "eve", "2026-03-04T16:00:00Z", "2026-03-04T12:00:00Z"),
		}, "2026-03-04T10:00:00Z", "2026-03-04T16:00:00Z", []row{{"Wed 4 Mar 10:00 +00", "Wed 4 Mar 16:00 +00", "ana", ""}}},
		{"the later layer wins where it has somebody", func(s *oncall.Schedule) {
			s.Layers = append(s.Layers, oncall.Layer{Users: []string{"fay"}, Every: 1,
				Only: []oncall.Hours{{Days: []time.Weekday{time.Saturday}, From: 22 * 60, To: 6 * 60}}})
		}, nil, "2026-03-07T12:00:00Z", "2026-03-08T12:00:00Z", []row{
			{"Sat 7 Mar 12:00 +00", "Sat 7 Mar 22:00 +00", "ana", ""},
			{"Sat 7 Mar 22:00 +00", "Sun 8 Mar 00:00 +00", "fay", ""}, // her daily handoff to herself is at midnight
			{"Sun 8 Mar 00:00 +00", "Sun 8 Mar 06:00 +00", "fay", ""},
			{"Sun 8 Mar 06:00 +00", "Sun 8 Mar 12:00 +00", "ana", ""},
		}},
		{"bounds of a layer", func(s *oncall.Schedule) {
			s.Layers[0].From, s.Layers[0].Until = at(t, "2026-03-03T00:00:00Z"), at(t, "2026-03-10T00:00:00Z")
		}, nil, "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", []row{
			{"Tue 3 Mar 00:00 +00", "Mon 9 Mar 09:00 +00", "ana", ""},
			{"Mon 9 Mar 09:00 +00", "Tue 10 Mar 00:00 +00", "bob", ""},
		}},
		{"nobody", func(s *oncall.Schedule) { s.Layers[0].Users = nil }, nil, "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", nil},
		{"no days between handoffs", func(s *oncall.Schedule) { s.Layers[0].Every = 0 }, nil, "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", nil},
		{"an absurd number of days", func(s *oncall.Schedule) { s.Layers[0].Every = 1 << 60 }, nil, "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", nil},
		{"no time at all", nil, nil, "2026-04-01T00:00:00Z", "2026-04-01T00:00:00Z", nil},
		{"backward", nil, nil, "2026-04-01T00:00:00Z", "2026-03-01T00:00:00Z", nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := weekly(t)
			if tt.edit != nil {
				tt.edit(&s)
			}
			if diff := cmp.Diff(tt.want, rows(s.Shifts(at(t, tt.from), at(t, tt.to), tt.overrides))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestNightOfTheChange is RELIABILITY 19 and 20: the handoff at 02:30 on the
// night when that time is skipped, and at 01:30 when it comes twice.
func TestNightOfTheChange(t *testing.T) {
	daily := func(zoneName string, hour, minute int) oncall.Schedule {
		return oncall.Schedule{Zone: zone(t, zoneName), Layers: []oncall.Layer{{Users: []string{"ana", "bob"}, Every: 1,
			Handoff: oncall.Handoff{Date: oncall.Date{Year: 2026, Month: 3, Day: 6}, Hour: hour, Minute: minute}}}}
	}
	spring := daily("America/New_York", 2, 30).Shifts(at(t, "2026-03-07T07:30:00Z"), at(t, "2026-03-09T06:30:00Z"), nil)
	if diff := cmp.Diff([]row{
		{"Sat 7 Mar 02:30 -05", "Sun 8 Mar 03:00 -04", "bob", ""}, // 23 h 30
		{"Sun 8 Mar 03:00 -04", "Mon 9 Mar 02:30 -04", "ana", ""},
	}, rows(spring)); diff != "" {
		t.Error(diff)
	}
	autumn := daily("America/New_York", 1, 30).Shifts(at(t, "2026-10-31T05:30:00Z"), at(t, "2026-11-02T06:30:00Z"), nil)
	if diff := cmp.Diff([]row{
		{"Sat 31 Oct 01:30 -04", "Sun 1 Nov 01:30 -04", "bob", ""},
		{"Sun 1 Nov 01:30 -04", "Mon 2 Nov 01:30 -05", "ana", ""}, // 25 h; the second 01:30 changes nothing
	}, rows(autumn)); diff != "" {
		t.Error(diff)
	}
	if d := autumn[1].To.Sub(autumn[1].From); d != 25*time.Hour {
		t.Errorf("the autumn shift is %v", d)
	}
	// In Samoa 30 December 2011 was not: the turn of that day never came.
	apia := oncall.Schedule{Zone: zone(t, "Pacific/Apia"), Layers: []oncall.Layer{{Users: []string{"ana", "bob", "chi"}, Every: 1,
		Handoff: oncall.Handoff{Date: oncall.Date{Year: 2011, Month: 12, Day: 28}}}}}
	if diff := cmp.Diff([]row{
		{"Thu 29 Dec 00:00 -10", "Sat 31 Dec 00:00 +14", "bob", ""},
		{"Sat 31 Dec 00:00 +14", "Sun 1 Jan 00:00 +14", "ana", ""}, // after chi, who was skipped
	}, rows(apia.Shifts(at(t, "2011-12-29T10:00:00Z"), at(t, "2011-12-31T10:00:00Z"), nil))); diff != "" {
		t.Error(diff)
	}
}

// TestYesterdayAgain: in Newfoundland the clocks once went back a minute past
// midnight, to the day before. The handoff at midnight had happened.
func TestYesterdayAgain(t *testing.T) {
	s := oncall.Schedule{Zone: zone(t, "America/St_Johns"), Layers: []oncall.Layer{{Users: []string{"ana", "bob"}, Every: 1,
		Handoff: oncall.Handoff{Date: oncall.Date{Year: 2010, Month: 11, Day: 7}}}}}
	for _, tt := range []struct{ at, user string }{
		{"2010-11-07T02:29:59Z", "bob"}, // 23:59:59 on Saturday
		{"2010-11-07T02:30:00Z", "ana"}, // midnight
		{"2010-11-07T03:00:00Z", "ana"}, // 23:30 on Saturday, again
		{"2010-11-07T03:30:00Z", "ana"}, // midnight, again
		{"2010-11-08T03:30:00Z", "bob"},
	} {
		if got, _ := s.At(at(t, tt.at), nil); got.User != tt.user {
			t.Errorf("at %s %s is on call, want %s", tt.at, got.User, tt.user)
		}
	}
}

func TestAt(t *testing.T) {
	s := weekly(t)
	overrides := []oncall.Override{{ID: "o1", User: "dan", From: at(t, "2026-03-04T10:00:00Z"), To: at(t, "2026-03-04T18:00:00Z")}}
	for _, tt := range []struct{ at, user, from, to, override string }{
		{"2026-03-02T08:59:59Z", "chi", "2026-02-23T09:00:00Z", "2026-03-02T09:00:00Z", ""},
		{"2026-03-02T09:00:00Z", "ana", "2026-03-02T09:00:00Z", "2026-03-04T10:00:00Z", ""},
		{"2026-03-04T10:00:00Z", "dan", "2026-03-04T10:00:00Z", "2026-03-04T18:00:00Z", "o1"},
		{"2026-03-04T18:00:00Z", "ana", "2026-03-04T18:00:00Z", "2026-03-09T09:00:00Z", ""},
	} {
		want := oncall.Shift{User: tt.user, From: at(t, tt.from), To: at(t, tt.to), Override: tt.override}
		if tt.override != "" {
			want.Layer = -1
		}
		got, ok := s.At(at(t, tt.at), overrides)
		if diff := cmp.Diff(want, got); !ok || diff != "" {
			t.Errorf("at %s: %v\n%s", tt.at, ok, diff)
		}
	}
	s.Layers = nil
	if got, ok := s.At(at(t, "2026-03-02T09:00:00Z"), nil); ok {
		t.Errorf("somebody is on call without layers: %v", got)
	}
}

func TestGaps(t *testing.T) {
	s := weekly(t)
	s.Layers[0].Only = []oncall.Hours{{Days: []time.Weekday{1, 2, 3, 4, 5}, From: 9 * 60, To: 17 * 60}}
	overrides := []oncall.Override{{ID: "o1", User: "dan", From: at(t, "2026-03-07T00:00:00Z"), To: at(t, "2026-03-09T09:00:00Z")}}
	got := s.Gaps(at(t, "2026-03-06T10:00:00Z"), at(t, "2026-03-09T20:00:00Z"), overrides)
	want := []oncall.Gap{
		{From: at(t, "2026-03-06T17:00:00Z"), To: at(t, "2026-03-07T00:00:00Z")},
		{From: at(t, "2026-03-09T17:00:00Z"), To: at(t, "2026-03-09T20:00:00Z")},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got := weekly(t).Gaps(at(t, "2020-01-01T00:00:00Z"), at(t, "2036-01-01T00:00:00Z"), nil); got != nil {
		t.Errorf("a plain rotation has gaps: %v", got)
	}
}
