package probe

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// adopt makes this process the parent of those that outlive theirs, so that none
// gets out of sight, whatever session it is in (prctl(2)).
func adopt() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("watch what outlives the program: %w", err)
	}
	return nil
}
