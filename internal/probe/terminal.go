package probe

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// lend gives a program that is to be started the terminal that it reads, if it
// reads one: a process group of its own may not, but in the foreground. What it
// returns takes the terminal back.
func lend(cmd *exec.Cmd) (back func()) {
	tty, ok := cmd.Stdin.(*os.File)
	if !ok {
		return func() {}
	}
	if _, err := unix.IoctlGetInt(int(tty.Fd()), unix.TIOCGPGRP); err != nil {
		return func() {} // it is none, or not the one that controls this process
	}
	cmd.SysProcAttr.Foreground, cmd.SysProcAttr.Ctty = true, int(tty.Fd())
	return func() {
		signal.Ignore(syscall.SIGTTOU) // who takes it from the background is stopped
		defer signal.Reset(syscall.SIGTTOU)
		_ = unix.IoctlSetPointerInt(int(tty.Fd()), unix.TIOCSPGRP, unix.Getpgrp())
	}
}
