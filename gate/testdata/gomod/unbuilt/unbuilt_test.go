package unbuilt

import "testing"

func TestNothing(t *testing.T) { missing() }
