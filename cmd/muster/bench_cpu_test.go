package main

import (
	"bytes"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// cpuTime is what this process and the database's have used so far, load
// generator included.
func cpuTime(b *testing.B, database string) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano()+u.Stime.Nano()) + clusterCPU(b, database)
}

// clusterCPU is what the processes of a PostgreSQL that run now have used so
// far; 0 of another database. Its folder is told by the address (pgtest).
func clusterCPU(b *testing.B, database string) (sum time.Duration) {
	b.Helper()
	address, err := url.Parse(database)
	if err != nil || address.Scheme != "postgres" {
		return 0
	}
	lock, err := os.ReadFile(filepath.Join(address.Query().Get("host"), "data", "postmaster.pid"))
	if err != nil {
		b.Fatal(err)
	}
	first, _, _ := strings.Cut(string(lock), "\n")
	children, err := os.ReadFile(fmt.Sprintf("/proc/%s/task/%[1]s/children", first))
	if err != nil {
		b.Fatal(err)
	}
	for _, child := range strings.Fields(string(children)) {
		if pid, err := strconv.Atoi(child); err == nil {
			sum += processCPU(b, pid)
		}
	}
	return sum
}

// processCPU is what a process has used so far, to the hundredth of a second
// (proc_pid_stat(5): utime and stime); 0 if it has ended.
func processCPU(b *testing.B, pid int) time.Duration {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var sum int
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			b.Fatal(err)
		}
		sum += n
	}
	return time.Duration(sum) * 10 * time.Millisecond
}
