package gate

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// whole are reports that are whole, small, and ours; the first of each format is
// clean.
var whole = map[string]string{
	"valgrind, clean": `<?xml version="1.0"?>
<valgrindoutput>
<protocolversion>4</protocolversion>
<protocoltool>memcheck</protocoltool>
<args><vargv><exe>valgrind</exe><arg>--xml-file=x.%p.xml</arg></vargv></args>
<status><state>RUNNING</state></status>
<status><state>FINISHED</state></status>
<errorcounts></errorcounts>
<suppcounts></suppcounts>
</valgrindoutput>
`,
	"valgrind, protocol 6": `<?xml version="1.0"?>
<valgrindoutput>
<protocolversion>6</protocolversion><protocoltool>memcheck</protocoltool>
<status><state>RUNNING</state></status>
<error><unique>0x0</unique><tid>1</tid><kind>FdNotClosed</kind><fd>5</fd><path>/tmp/x</path>
<what>Open file descriptor 5: /tmp/x</what>
<stack><frame><ip>0x1</ip><fn>open</fn></frame><frame><ip>0x2</ip><fn>main</fn><dir>/src</dir><file>a.c</file><line>7</line></frame></stack></error>
<status><state>FINISHED</state></status>
<error><unique>0x1</unique><tid>1</tid><kind>Leak_DefinitelyLost</kind>
<xwhat><text>1,048 (48 direct, 1,000 indirect) bytes in 3 blocks are definitely lost in loss record 1 of 1</text>
<leakedbytes>1048</leakedbytes><leakedblocks>3</leakedblocks></xwhat>
<stack><frame><ip>0x3</ip><fn>std::vector&lt;int&gt;::f()</fn><file>b.cc</file><line>9</line></frame></stack></error>
<leak_summary><definitely_lost><bytes>48</bytes><blocks>3</blocks></definitely_lost></leak_summary>
<errorcounts><pair><count>1</count><unique>0x0</unique></pair></errorcounts>
<suppcounts><pair><count>1,227</count><name>dl-hack3</name></pair></suppcounts>
<error_summary><errors>2</errors><error_contexts>2</error_contexts></error_summary>
</valgrindoutput>`,
	"junit": `<?xml version="1.0" encoding="UTF-8"?>
<testsuites><testsuite name="s" tests="1"><testcase name="a" classname="c" time="1,234.5"/></testsuite></testsuites>
`,
	"go test -json": `{"Action":"start","Package":"example.com/shop"}
{"Action":"run","Package":"example.com/shop","Test":"TestA"}
{"Action":"output","Package":"example.com/shop","Test":"TestA","Output":"    a_test.go:7: no\n"}
{"Action":"fail","Package":"example.com/shop","Test":"TestA","Elapsed":0}
{"Action":"fail","Package":"example.com/shop","Elapsed":0.004}
`,
	"SARIF": `{"version":"2.1.0","runs":[{"tool":{"driver":{"name":"scan","rules":[{"id":"R1","messageStrings":{"m":{"text":"{0}"}}}]}},
"results":[{"ruleId":"R1","ruleIndex":0,"message":{"id":"m","arguments":["x"]},"locations":[{"physicalLocation":{"artifactLocation":{"uri":"a.c"},"region":{"startLine":7}}}]}]}]}
`,
	"junit, all sorts": `<testsuite name="s" tests="9">
<testcase name="a" classname="c" file="a_test.py" line="7"><failure message="one">E   more</failure><error type="T"/></testcase>
<testcase name="b"><skipped/></testcase>
<testcase name="d"><flakyFailure message="sometimes">text</flakyFailure><system-out>&#27;[31m</system-out></testcase>
<testcase name="e"><failure>no</failure><rerunFailure>again</rerunFailure></testcase>
</testsuite>`,
}

func TestWhole(t *testing.T) {
	for name, text := range whole {
		if r := readString(t, text); len(r.Broken) > 0 {
			t.Errorf("%s: %q", name, r.Broken)
		}
	}
}

// TestTruncated cuts whole reports at each byte: none may pass for whole.
func TestTruncated(t *testing.T) {
	for name, text := range whole {
		text = strings.TrimSpace(text)
		for n := range len(text) {
			if r := readString(t, text[:n]); len(r.Broken) == 0 {
				t.Errorf("%s, cut at %d: passes for whole", name, n)
			}
		}
	}
}

func readString(t testing.TB, text string) Report {
	t.Helper()
	r, err := Read("report", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestHostile reads what nobody would write in good faith.
func TestHostile(t *testing.T) {
	junk := make([]byte, 1<<20)
	chance := rand.NewChaCha8([32]byte{1})
	_, _ = chance.Read(junk)
	const begin, state = "<valgrindoutput><protocoltool>memcheck</protocoltool>", "<status><state>RUNNING</state></status><status><state>FINISHED</state></status>"
	tests := []struct {
		name string
		from io.Reader
		want string // in a reason
	}{
		{"entity bomb", strings.NewReader(`<!DOCTYPE b [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><testsuites>&b;</testsuites>`), "DOCTYPE"},
		{"external entity", strings.NewReader(`<!DOCTYPE b [<!ENTITY a SYSTEM "file:///etc/passwd">]><testsuites><testcase name="&a;"/></testsuites>`), "DOCTYPE"},
		{"entity nobody declared", strings.NewReader(begin + "<error><kind>&a;</kind></error>" + state + "</valgrindoutput>"), "&a;"},
		{"deep", io.MultiReader(strings.NewReader(begin), repeated("<a>", 1_000_000)), "deep"},
		{"deep suites", io.MultiReader(strings.NewReader("<testsuites>"), repeated("<testsuite>", 1_000_000)), "deep"},
		{"long name", io.MultiReader(strings.NewReader(begin+"<"), repeated("a", 5<<20)), "longer than"},
		{"long tag", io.MultiReader(strings.NewReader("<testsuites><testcase name='"), repeated("aaaaaaaa", 1<<20)), "longer than"},
		{"binary", bytes.NewReader(junk), " "},
		{"binary within", io.MultiReader(strings.NewReader(begin), bytes.NewReader(junk)), "line "},
		{"zeros", repeated("\x00", 1<<20), " "},
		{"gzip", strings.NewReader("\x1f\x8b\x08\x00\x00"), " "},
		{"two reports", strings.NewReader(whole["valgrind, clean"] + whole["valgrind, clean"]), ownFile},
		{"two roots", strings.NewReader(begin + state + "</valgrindoutput><valgrindoutput/>"), ownFile},
		{"junk behind", strings.NewReader(whole["valgrind, clean"] + "Killed"), ownFile},
		{"junk behind JUnit", strings.NewReader(whole["junit"] + "<testsuites/>"), "follows the document"},
		{"states of nothing", strings.NewReader("<valgrindoutput></valgrindoutput>"), "FINISHED"},
		{"leaks that are not told", strings.NewReader(begin + state + "<leak_summary><definitely_lost><bytes>9</bytes><in_blocks>3</in_blocks></definitely_lost></leak_summary></valgrindoutput>"), "3 blocks"},
		{"errors that are not told", strings.NewReader(begin + state + "<error_summary><error_contexts>1,001</error_contexts></error_summary></valgrindoutput>"), "1001 different errors"},
		{"counts that are not told", strings.NewReader(begin + state + "<errorcounts><pair><count>5</count><unique>0x7</unique></pair></errorcounts></valgrindoutput>"), "1 errors"},
		{"a socket without a name", strings.NewReader(begin + "<args><vargv><arg>--track-fds=yes</arg></vargv></args><error><what>Open AF_UNIX socket 3: <unknown></what></error>"), "--track-fds"},
		{"a file for all", strings.NewReader(begin + "<args><vargv><arg>--trace-children=yes</arg><arg>--xml-file=x.xml</arg></vargv></args>" + state + "</valgrindoutput>"), "overwrite"},
	}
	for _, tt := range tests {
		r, err := Read(tt.name, tt.from)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if reasons := strings.Join(r.Broken, "\n"); !strings.Contains(reasons, tt.want) {
			t.Errorf("%s: broken: %q, want %q", tt.name, reasons, tt.want)
		}
	}
}

// TestHugeText: of a text that never ends the beginning is kept, and the report
// is as whole as any.
func TestHugeText(t *testing.T) {
	long := func() io.Reader { return repeated("so long and ", 1<<20) }
	for name, from := range map[string]io.Reader{
		"valgrind": io.MultiReader(strings.NewReader("<valgrindoutput><error><kind>InvalidRead</kind><what>"), long(), strings.NewReader("</what><stack><frame><fn>"), long(),
			strings.NewReader("</fn></frame></stack></error><status><state>FINISHED</state></status></valgrindoutput>")),
		"junit": io.MultiReader(strings.NewReader("<testsuite><testcase name='a'><failure>"), long(), strings.NewReader("</failure><system-out>"), long(), strings.NewReader("</system-out></testcase></testsuite>")),
	} {
		r, err := Read(name, from)
		if err != nil || len(r.Broken) > 0 || len(r.Findings) != 1 {
			t.Fatalf("%s: %d findings, broken %q, %v", name, len(r.Findings), r.Broken, err)
		}
		f := r.Findings[0]
		if n := len(f.Message); n < maxText || n > maxText+8 {
			t.Errorf("%s: the message has %d bytes", name, n)
		}
		for _, s := range f.Stacks {
			if n := len(s.Frames[0].Function); n < maxText || n > maxText+8 {
				t.Errorf("%s: the function has %d bytes", name, n)
			}
		}
	}
}

// repeated is a text, n times.
func repeated(text string, n int) io.Reader {
	return &generator{size: n * len(text), fill: func(g *generator) { g.buf.WriteString(strings.Repeat(text, max(1, (1<<16)/len(text)))) }}
}

// TestMemory reads a report that is larger than what may be kept of it, and looks
// at the heap meanwhile.
func TestMemory(t *testing.T) {
	size := 32 << 20
	if os.Getenv("MUSTER_LONG") != "" {
		size = 1 << 30
	}
	before := heap()
	var most uint64
	r, err := Read("large", generate(size, func(read int) {
		if read>>20%16 == 0 {
			most = max(most, heap())
		}
	}))
	if err != nil || len(r.Broken) > 0 {
		t.Fatal(r.Broken, err)
	}
	if r.Total <= maxFindings || len(r.Findings) != maxFindings {
		t.Errorf("%d findings, %d of them kept", r.Total, len(r.Findings))
	}
	if most -= min(most, before); most > 64<<20 {
		t.Errorf("%d MB are kept of a report of %d MB", most>>20, size>>20)
	}
}

// TestKept: findings of many calls do not add up, be they long or empty.
func TestKept(t *testing.T) {
	for _, function := range []string{"", strings.Repeat("f", 100)} {
		before := heap()
		var r Report
		const n = 1000
		for i := range n {
			f := Finding{Tool: "memcheck", Kind: "InvalidRead"}
			for range maxStacks {
				s := Stack{Frames: make([]Frame, maxFrames)}
				for j := range s.Frames {
					s.Frames[j] = Frame{Function: function, Line: i}
				}
				f.Stacks = append(f.Stacks, s)
			}
			r.Add(f)
		}
		if r.Total != n || len(r.Findings) == n || len(r.Findings) == 0 {
			t.Errorf("%d findings, %d kept", r.Total, len(r.Findings))
		}
		if kept := heap() - before; kept > 2*maxKept {
			t.Errorf("%d MB are kept", kept>>20)
		}
		runtime.KeepAlive(r)
	}
}

// heap is what is in use of it, in bytes.
func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// FuzzRead reads anything. No report may panic, and what it becomes holds what
// the rest of the gate relies on.
func FuzzRead(f *testing.F) {
	for _, text := range whole {
		f.Add(text)
	}
	for _, text := range logs {
		f.Add(text)
	}
	for _, text := range []string{"", "<", "{\n   name\n   Memcheck:Leak\n}\n", "==1== Command: ./a\n", "<html>", "<test-run/>", "<valgrindoutput><fatal_signal><signame>SIGSEGV</signame></fatal_signal>"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := readString(t, text)
		told := 0
		for _, finding := range r.Findings {
			told += finding.Count
			if !slices.Contains(Classes, finding.Class) || !slices.Contains(Severities, finding.Severity) {
				t.Errorf("class %q, severity %q", finding.Class, finding.Severity)
			}
			if m := finding.Message; strings.ContainsAny(m, "\r\n") || m == "" || len(m) > maxText+8 || !utf8.ValidString(m) {
				t.Errorf("message %q", m)
			}
			if finding.Tool == "" || finding.Kind == "" || finding.Report != "report" {
				t.Errorf("tool %q, kind %q, report %q", finding.Tool, finding.Kind, finding.Report)
			}
			if finding.Bytes < 0 || finding.Blocks < 0 || finding.Count < 1 || finding.At.Line < 0 {
				t.Errorf("%+v", finding)
			}
			if len(finding.Stacks) == 0 && finding.Key == "" && finding.At == (Frame{}) && r.Format == junit.Name {
				t.Errorf("nothing names %+v", finding)
			}
		}
		if told > r.Total || r.Size != int64(len(text)) || r.Tests < 0 || r.Suppressed < 0 {
			t.Errorf("%d told, %+v", told, r)
		}
		if clean := r.Total == 0 && len(r.Broken) == 0; clean && r.Format == valgrind.Name && !strings.Contains(text, "FINISHED") {
			t.Error("clean without FINISHED")
		} else if clean && r.Format == junit.Name && r.Tests+r.Skipped == 0 {
			t.Error("clean without a test")
		}
	})
}
