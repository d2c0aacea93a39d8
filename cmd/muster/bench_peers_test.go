package main

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// BenchmarkAlertmanager gives a real Alertmanager the load of BenchmarkIntake:
// as many alerts a request, of the same size, over the same keys and groups. It
// answers once it has them in memory, and writes none of them down. One op is a
// request.
func BenchmarkAlertmanager(b *testing.B) {
	const endless = 1 << 30
	for _, bm := range []struct {
		name   string
		events int // in a request
		keys   int
	}{{"single", 1, endless}, {"batch64", 64, endless}, {"storm64", 64, 200}} {
		b.Run(bm.name, func(b *testing.B) {
			to := startAlertmanager(b)
			load(b, to, bm.events, func(request int) string { return peerBatch(1000+request*bm.events, bm.events, bm.keys, 100) })
		})
	}
}

// startAlertmanager runs one until the benchmark is over. It groups by host and
// has a receiver that accepts everything, as Muster has there.
func startAlertmanager(b *testing.B) target {
	b.Helper()
	program, err := exec.LookPath("prometheus-alertmanager")
	if err != nil {
		if program, err = exec.LookPath("alertmanager"); err != nil {
			b.Skip("not here: Alertmanager")
		}
	}
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	b.Cleanup(hook.Close)
	dir := b.TempDir()
	config := filepath.Join(dir, "alertmanager.yml")
	text := fmt.Sprintf("route: {receiver: hook, group_by: [host], group_wait: 1s}\nreceivers: [{name: hook, webhook_configs: [{url: %q}]}]\n", hook.URL)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	said := &strings.Builder{}
	cmd := exec.Command(program, "--config.file="+config, "--storage.path="+filepath.Join(dir, "data"), "--web.listen-address="+address, "--cluster.listen-address=")
	cmd.Stdout, cmd.Stderr = said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for range 100 {
		if answer, err := http.Get("http://" + address + "/-/ready"); err == nil {
			answer.Body.Close()
			if answer.StatusCode == http.StatusOK {
				return target{address, "/api/v2/alerts", "", http.StatusOK}
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	cmd.Process.Kill()
	cmd.Wait()
	b.Fatalf("Alertmanager does not answer:\n%s", said)
	return target{}
}

// peerBatch is what benchBatch is, as Prometheus sends it to an Alertmanager.
func peerBatch(first, n, keys, hosts int) string {
	var s strings.Builder
	s.WriteByte('[')
	for i := first; i < first+n; i++ {
		if i > first {
			s.WriteByte(',')
		}
		key := i % keys
		fmt.Fprintf(&s, `{"labels":{"alertname":"DiskFull","key":"checkout/disk/%08d/%x","host":"web-%d","severity":"critical","instance":"web-%d.example.com","mountpoint":"/var","team":"payments"},`+
			`"annotations":{"summary":"Disk is 97 %% full on web-%d","free":"3%%","note":"growing by 1 GB an hour"},`+
			`"startsAt":"2026-11-22T13:11:35.579088Z","generatorURL":"http://prometheus.example.com/graph"}`,
			key, uint32(key)*2654435761, key%hosts, key%hosts, key%hosts)
	}
	s.WriteByte(']')
	return s.String()
}
