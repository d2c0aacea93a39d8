package probe

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// linger is how long processes may run on that outlive the program.
const linger = 5 * time.Second

// A process is a child of this one.
type process struct {
	id   int
	name string
	dead bool // and waits for its parent to hear of it
}

// children are the processes whose parent is this one, but for those in other.
func children(other []process) []process {
	entries, _ := os.ReadDir("/proc")
	var own []process
	for _, e := range entries {
		id, err := strconv.Atoi(e.Name())
		if err != nil || slices.ContainsFunc(other, func(p process) bool { return p.id == id }) {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat") // 42 (name) S 41 …; proc(5)
		open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
		if err != nil || open < 0 || end < open { // it has ended
			continue
		}
		fields := strings.Fields(string(stat[end+1:]))
		if len(fields) > 1 && fields[1] == strconv.Itoa(os.Getpid()) {
			own = append(own, process{id, string(stat[open+1 : end]), fields[0] == "Z"})
		}
	}
	return own
}

// outlived waits for what outlives the program, and ends what runs on for too
// long, or when the context is done. It returns those that were ended so and
// that the tool watched.
func (r Run) outlived(ctx context.Context, other []process) (watched []process) {
	over := time.NewTimer(linger)
	defer over.Stop()
	told := false
	for {
		left := reaped(children(other))
		if len(left) == 0 {
			return nil
		}
		if ctx.Err() != nil && !told { // so that Valgrind can end its reports
			told = true
			for _, p := range left {
				_ = unix.Kill(p.id, unix.SIGTERM)
			}
		}
		select {
		case <-over.C:
			for _, p := range left {
				if r.Tool != Sanitizer || instrumented(fmt.Sprintf("/proc/%d/exe", p.id)) {
					watched = append(watched, p)
				}
			}
			end(other)
			return watched
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// reaped buries the dead, and returns the others.
func reaped(all []process) []process {
	return slices.DeleteFunc(all, func(p process) bool {
		if p.dead {
			_, _ = unix.Wait4(p.id, nil, unix.WNOHANG, nil)
		}
		return p.dead
	})
}

// end ends all children, and theirs, who become ours.
func end(other []process) {
	for range 200 { // what the kernel holds fast cannot be ended
		left := reaped(children(other))
		if len(left) == 0 {
			return
		}
		for _, p := range left {
			_ = unix.Kill(p.id, unix.SIGKILL)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
