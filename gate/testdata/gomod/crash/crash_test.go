package crash

import "testing"

var prices map[string]int

func set(name string) { prices[name] = 1 }

func TestBefore(t *testing.T) {}

func TestCrash(t *testing.T) { set("tea") }

func TestAfter(t *testing.T) {}
