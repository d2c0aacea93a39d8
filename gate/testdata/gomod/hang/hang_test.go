package hang

import "testing"

func wait() { select {} }

func TestBefore(t *testing.T) {}

func TestHang(t *testing.T) { wait() }
