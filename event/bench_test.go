package event_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/musterhq/muster/event"
)

const ownEvent = `{"action":"trigger","key":"checkout/disk/web-1","title":"Disk is 97 % full on web-1","severity":"critical","source":"web-1.example.com","service":"checkout","environment":"production","time":"2026-11-22T13:11:35.579088Z","labels":{"alertname":"DiskFull","instance":"web-1","mountpoint":"/var","team":"payments"},"details":{"free":"3%","inodes":0.75,"note":"growing by 1 GB an hour"}}`

func BenchmarkRead(b *testing.B) {
	alert := `{"status":"firing","labels":{"alertname":"High5xxRate","cluster":"eu-1","instance":"web-1","service":"checkout","severity":"critical"},"annotations":{"description":"for ten minutes","runbook_url":"https://runbook.example.com/5xx","summary":"5xx ratio 12% on checkout"},"startsAt":"2026-11-22T13:11:35.579088055Z","endsAt":"0001-01-01T00:00:00Z","generatorURL":"http://prometheus.example.com/graph?g0.expr=x&g0.tab=1","fingerprint":"748407e49fb2adfb"}`
	am := `{"receiver":"all","status":"firing","alerts":[%s],"groupKey":"{}:{alertname=\"High5xxRate\"}","version":"4"}`
	for _, bm := range []struct {
		name, kind, body string
		events           int
	}{
		{"muster/1", "muster", ownEvent, 1},
		{"muster/64", "muster", "[" + strings.Repeat(ownEvent+",", 63) + ownEvent + "]", 64},
		{"alertmanager/1", "alertmanager", fmt.Sprintf(am, alert), 1},
		{"alertmanager/64", "alertmanager", fmt.Sprintf(am, strings.Repeat(alert+",", 63)+alert), 64},
		{"pagerduty/1", "pagerduty", `{"routing_key":"R0123456789ABCDEF0123456789ABCDE","dedup_key":"srv01/mysql","event_action":"trigger","payload":{"summary":"Disk at 99%","source":"db-1.example.com","severity":"critical","component":"mysql","custom_details":{"free":"1%"}},"client":"Agent","client_url":"https://agent.example.com/1"}`, 1},
	} {
		b.Run(bm.name, func(b *testing.B) {
			body := []byte(bm.body)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				events, err := event.Read(bm.kind, nil, body)
				if err != nil || len(events) != bm.events {
					b.Fatal(len(events), err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*bm.events), "ns/event")
		})
	}
}
