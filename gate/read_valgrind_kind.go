package gate

import "strings"

// valgrindClass says what a kind of error is. The note tells what the memory was
// that an access went to.
func valgrindClass(tool, kind, what, note string) (Class, Severity) {
	switch kind {
	case "Leak_DefinitelyLost":
		return Leak, Error
	case "Leak_IndirectlyLost": // goes with the block that held it, which is told too
		return Leak, Warning
	case "Leak_PossiblyLost":
		return Leak, Warning
	case "Leak_StillReachable":
		return Leak, Info
	case "InvalidRead":
		return memoryOf(note), Error
	case "InvalidWrite":
		return memoryOf(note), Critical
	case "InvalidJump":
		return InvalidAccess, Critical
	case "InvalidFree":
		return InvalidFree, Critical
	case "MismatchedFree", "MismatchedAllocateDeallocateSize", "MismatchedAllocateDeallocateAlignment":
		return InvalidFree, Error
	case "UninitCondition", "UninitValue":
		return Uninitialised, Error
	case "SyscallParam":
		if strings.Contains(what, "uninitialised") {
			return Uninitialised, Error
		}
		return memoryOf(note), Error
	case "ClientCheck":
		return InvalidAccess, Error
	case "Race", "ConflictingAccess":
		return DataRace, Error
	case "FdNotClosed":
		return DescriptorLeak, Error
	case "FdBadClose", "FdBadUse":
		return UndefinedBehavior, Error
	}
	if kind == "CondRaceErr" || tool == "helgrind" && strings.Contains(what, "associated lock is not held") {
		return LockMisuse, Info // POSIX allows it, and C++ advises it: only sometimes is it a mistake
	}
	if tool == "helgrind" || tool == "drd" {
		return LockMisuse, Error
	}
	return UndefinedBehavior, Error
}

// memoryOf says what an access to memory was, from what Valgrind knows of the
// address.
func memoryOf(note string) Class {
	switch {
	case !strings.Contains(note, " block "):
		return InvalidAccess
	case strings.HasSuffix(note, "free'd"), strings.Contains(note, "recently re-allocated"):
		return UseAfterFree
	}
	return OutOfBounds
}

// leakWords end the message of a leak.
func leakWords(kind string) string {
	switch kind {
	case "Leak_DefinitelyLost":
		return "definitely lost"
	case "Leak_IndirectlyLost":
		return "lost with the block that pointed to it"
	case "Leak_PossiblyLost":
		return "possibly lost"
	}
	return "still reachable"
}

// withoutAddresses leaves addresses and the numbers of threads out of a text of
// Valgrind: both differ from run to run.
func withoutAddresses(s string) string {
	if !strings.Contains(s, "0x") && !strings.Contains(s, "hread") {
		return s
	}
	in := strings.Fields(s)
	word := func(i int) string {
		if i < len(in) {
			return in[i]
		}
		return ""
	}
	var out []string
	for i := 0; i < len(in); i++ {
		switch w := in[i]; {
		case w == "Address" && isAddress(word(i+1)) && word(i+2) == "is":
			i += 2
		case w == "Thread" && strings.HasSuffix(word(i+1), ":"):
			i++
		case w == "at" && isAddress(word(i+1)):
			i++
		case isAddress(w) && word(i+1) == "before" && isAddress(word(i+2)):
			i += 2
		case w == "by" && word(i+1) == "thread":
			i += 2
		case w == "Thread" && strings.HasPrefix(word(i+1), "#"):
			out = append(out, w+strings.TrimLeft(word(i+1), "#0123456789"))
			i++
		case isAddress(w):
			out = append(out, "…"+w[len(strings.TrimRight(w, ",.;)")):])
		default:
			out = append(out, w)
		}
	}
	return strings.Join(out, " ")
}

func isAddress(word string) bool {
	return strings.HasPrefix(strings.TrimLeft(word, `"(`), "0x")
}
