package xmlscan

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// ours returns the tokens of a document, adjacent texts as one.
func ours(from io.Reader) (tokens []string, err error) {
	s := New(from)
	for {
		kind, err := s.Next()
		if err == io.EOF {
			return tokens, nil
		}
		if err != nil {
			return tokens, err
		}
		switch kind {
		case Start:
			token := "<" + s.Name()
			for _, a := range s.Attrs() {
				token += " " + a.Name + "=" + a.Value
			}
			tokens = append(tokens, token)
		case End:
			tokens = append(tokens, "</"+s.Name())
		case Text:
			tokens = addText(tokens, s.Text())
		}
	}
}

// theirs returns what encoding/xml makes of a document, with the checks that its
// RawToken leaves out.
func theirs(text string) (tokens []string, err error) {
	d := xml.NewDecoder(strings.NewReader(text))
	var open []string
	begun := false
	for {
		token, err := d.RawToken()
		if err == io.EOF {
			if len(open) > 0 || !begun {
				return nil, errors.New("truncated")
			}
			return tokens, nil
		}
		if err != nil {
			return nil, err
		}
		switch token := token.(type) {
		case xml.StartElement:
			if begun && len(open) == 0 {
				return nil, errors.New("a second element")
			}
			begun = true
			open = append(open, full(token.Name))
			start := "<" + full(token.Name)
			for _, a := range token.Attr {
				start += " " + full(a.Name) + "=" + a.Value
			}
			tokens = append(tokens, start)
		case xml.EndElement:
			if len(open) == 0 || open[len(open)-1] != full(token.Name) {
				return nil, errors.New("closes another")
			}
			open = open[:len(open)-1]
			tokens = append(tokens, "</"+full(token.Name))
		case xml.CharData:
			if len(open) == 0 && len(bytes.TrimSpace(token)) > 0 {
				return nil, errors.New("text outside")
			}
			if len(open) > 0 {
				tokens = addText(tokens, token)
			}
		}
	}
}

func full(n xml.Name) string {
	if n.Space != "" {
		return n.Space + ":" + n.Local
	}
	return n.Local
}

func addText(tokens []string, text []byte) []string {
	if len(text) == 0 {
		return tokens
	}
	if last := len(tokens) - 1; last >= 0 && strings.HasPrefix(tokens[last], "=") {
		tokens[last] += string(text)
		return tokens
	}
	return append(tokens, "="+string(text))
}

// lenient are errors of encoding/xml about what a Scanner takes.
var lenient = []string{"illegal character code", "invalid UTF-8", `invalid sequence "--"`, "unescaped ]]>", "unsupported version", "invalid character entity", "invalid XML name", "expected target name", "expected element name", "expected attribute name"}

// strict are errors of a Scanner about what encoding/xml takes.
var strict = []string{"a second document", "DOCTYPE", "is not known", "stands before", "follows the document", "is not read", "truncated"}

// FuzzScan holds the Scanner to encoding/xml, and to itself when the text comes a
// byte at a time.
func FuzzScan(f *testing.F) {
	for _, text := range documents {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > MaxText {
			return
		}
		late := "<!--" + strings.Repeat("-", 256) + "-->" + text // beyond where the encoding is looked for
		got, gotErr := ours(strings.NewReader(late))
		slow, slowErr := ours(iotest.OneByteReader(strings.NewReader(late)))
		if diff := cmp.Diff(got, slow); diff != "" || errorText(gotErr) != errorText(slowErr) {
			t.Fatalf("at once and by bytes: %v, %v\n%s", gotErr, slowErr, diff)
		}
		got, gotErr = ours(strings.NewReader(text))
		want, wantErr := theirs(strings.TrimPrefix(text, "\ufeff"))
		switch {
		case gotErr == nil && wantErr == nil:
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-encoding/xml +ours:\n%s", diff)
			}
		case gotErr == nil && !about(wantErr, lenient):
			t.Errorf("encoding/xml says: %v", wantErr)
		case wantErr == nil && !about(gotErr, strict):
			t.Errorf("encoding/xml takes it, and we say: %v", gotErr)
		}
	})
}

func about(err error, words []string) bool {
	for _, w := range words {
		if strings.Contains(err.Error(), w) {
			return true
		}
	}
	return false
}

// documents are good and bad; what is said of them is compared with encoding/xml.
var documents = []string{
	"",
	"<a/>",
	"<a></a>",
	"<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<!-- before -->\n<!DOCTYPE a>\n<a b='c' d = \"e&lt;f&#65;&#x42;\">\r\ntext &amp; more\r<b c=\"\"/><![CDATA[<raw> & ]] ]]>tail<!-- in --> é</a>\n<!-- after -->\n",
	"\ufeff<a>b</a>",
	"<a:b c:d='e'>f</a:b>",
	"<a",
	"<a>",
	"<a><b></a></b>",
	"</a>",
	"<a/><b/>",
	"<a/>text",
	"text<a/>",
	"<a b></a>",
	"<a b=c></a>",
	"<a b='<'/>",
	"<a b='>'/>",
	"<a / >",
	"< a/>",
	"<a b='c'd='e'/>",
	"<a>&nbsp;</a>",
	"<a>& b</a>",
	"<a>&#xD;&#13;\n&#0;&#x110000;&#xD800;&#1114111;</a>",
	"<a>\x01\xff</a>",
	"<a>]]></a>",
	"<a><!-- -- --></a>",
	"<a><![CDATA[b</a>",
	"<a><![cdata[b]]></a>",
	"<a><?php b?><!b></a>",
	"<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>",
	"<a></a >",
	"<a></ a>",
	"<?xml version='1.0'?><a/><?xml version='1.0'?><a/>",
}

func TestScan(t *testing.T) {
	tests := []struct {
		text string
		want []string
		err  string
	}{
		{text: "<a>\x01\x1b[31m\xff&#27;</a>", want: []string{"<a", "=\ufffd\ufffd[31m\ufffd\ufffd", "</a"}},
		{text: "<?xml version='1.0' encoding='ISO-8859-1'?><a b='\xe9'>\x80\xfc</a>", want: []string{"<a b=é", "=€ü", "</a"}},
		{text: "<?xml version='1.0' encoding='US-ASCII'?><a>b</a>", want: []string{"<a", "=b", "</a"}},
		{text: "<?xml version='1.0' encoding='EBCDIC-CP-DE'?><a/>", err: `line 1: the encoding is "EBCDIC-CP-DE", which is not read`},
		{text: "\xff\xfe<\x00a\x00/\x00>\x00", err: "line 1: the text is in UTF-16, and is not read"},
		{text: "<a>\n\n<b x='\n'>\n</a>", want: []string{"<a", "=\n\n", "<b x=\n", "=\n"}, err: "line 5: </a> stands where </b> must"},
		{text: "<a>\n<b>", want: []string{"<a", "=\n", "<b"}, err: "line 2: the file ends within <b>"},
		{text: "<a>\n<b", want: []string{"<a", "=\n"}, err: "line 2: the file ends within <a>"},
		{text: "<", err: "line 1: the file ends before its first element"},
		{text: "<!-- ", err: "line 1: the file ends before its first element"},
		{text: " \n ", err: "line 2: the file ends before its first element"},
		{text: "<a/><!-- ", want: []string{"<a", "</a"}, err: "line 1: the file ends within a comment"},
		{text: "<a/>\n<a/>", want: []string{"<a", "</a"}, err: "line 2: another element follows the document"},
		{text: "<a/>\n<?xml version='1.0'?>", want: []string{"<a", "</a"}, err: "line 2: a second document begins"},
		{text: "<a><?xml version='1.0'?>", want: []string{"<a"}, err: "line 1: a second document begins"},
		{text: "<a><?xml-stylesheet?></a>", want: []string{"<a", "</a"}},
		{text: "<a>&nbsp;</a>", want: []string{"<a"}, err: "line 1: &nbsp; is no entity that XML knows"},
		{text: "<a>R&D</a>", want: []string{"<a"}, err: "line 1: an & begins no reference"},
		{text: "<a b=1/>", err: "line 1: attribute b has no value in quotes"},
		{text: "<a <b/>", err: "line 1: there is a < within a tag"},
		{text: "<!DOCTYPE a [<!ENTITY b 'c'>]><a/>", err: "line 1: the DOCTYPE declares entities or elements, and is not read"},
		{text: "<!DOCTYPE a [ ]><a/>", err: "line 1: the DOCTYPE declares entities or elements, and is not read"},
		{text: "<!DOCTYPE coverage SYSTEM 'http://example.com/a.dtd'><a/>", want: []string{"<a", "</a"}},
	}
	for _, tt := range tests {
		got, err := ours(strings.NewReader(tt.text))
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%q: -want +got:\n%s", tt.text, diff)
		}
		if said := errorText(err); said != tt.err {
			t.Errorf("%q: %q, want %q", tt.text, said, tt.err)
		}
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestAbout: what went wrong can be told apart.
func TestAbout(t *testing.T) {
	for text, want := range map[string]error{
		"<a>":                           ErrTruncated,
		"<a><b":                         ErrTruncated,
		"<a/><?xml version='1.0'?><a/>": ErrSecond,
		"<a/><b/>":                      ErrAfter,
		"<a/>b":                         ErrAfter,
		"<a></b>":                       nil,
	} {
		_, err := ours(strings.NewReader(text))
		for _, about := range []error{ErrTruncated, ErrSecond, ErrAfter} {
			if errors.Is(err, about) != (about == want) {
				t.Errorf("%q: %v is about %v", text, err, about)
			}
		}
	}
}

// TestReading: an error of the reader is told as it is, and what a reader that
// gives nothing holds up ends.
func TestReading(t *testing.T) {
	broken := errors.New("the disk is gone")
	if _, err := ours(io.MultiReader(strings.NewReader("<a>b"), iotest.ErrReader(broken))); !errors.Is(err, broken) {
		t.Error(err)
	}
	if _, err := ours(iotest.DataErrReader(strings.NewReader("<a>b</a>"))); err != nil {
		t.Error(err)
	}
	if _, err := ours(idle{}); !errors.Is(err, io.ErrNoProgress) {
		t.Error(err)
	}
}

type idle struct{}

func (idle) Read([]byte) (int, error) { return 0, nil }

// TestBounds: what is deep, long or endless ends in an error or is cut.
func TestBounds(t *testing.T) {
	deep := strings.Repeat("<a>", MaxDepth) + strings.Repeat("</a>", MaxDepth)
	if _, err := ours(strings.NewReader(deep)); err != nil {
		t.Error(err)
	}
	for text, want := range map[string]string{
		"deep":  "line 1: elements lie in each other more than 256 deep",
		"long":  "line 1: a tag is longer than 4194304 bytes",
		"chars": "",
	} {
		var from io.Reader
		switch text {
		case "deep":
			from = &endless{begin: "<a>", repeat: "<a>"}
		case "long":
			from = &endless{begin: "<a b='", repeat: "bbbbbbbb"}
		case "chars":
			from = io.MultiReader(strings.NewReader("<a>"), io.LimitReader(&endless{repeat: "text\n&amp;é"}, 64<<20), strings.NewReader("</a>"))
		}
		s := New(from)
		var err error
		kept := 0
		for err == nil {
			_, err = s.Next()
			kept = max(kept, cap(s.text))
		}
		if err == io.EOF {
			err = nil
		}
		if said := errorText(err); said != want {
			t.Errorf("%s: %q, want %q", text, said, want)
		}
		if kept > 4*MaxText || len(s.buf) > 4*MaxTag {
			t.Errorf("%s: keeps %d bytes of a text and reads %d ahead", text, kept, len(s.buf))
		}
	}
}

// endless is a text that repeats.
type endless struct {
	begin, repeat string
	n             int
}

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		if e.n < len(e.begin) {
			p[i] = e.begin[e.n]
		} else {
			p[i] = e.repeat[(e.n-len(e.begin))%len(e.repeat)]
		}
		e.n++
	}
	return len(p), nil
}

func TestWalk(t *testing.T) {
	s := New(strings.NewReader("<all x='1'>a<one> b <skip>c</skip>d<![CDATA[e]]></one><two/>f<three><four>g</four></three></all> <!-- -->"))
	root, err := s.Root()
	if err != nil || root != "all" || s.Attr("x") != "1" || s.Attr("y") != "" {
		t.Fatal(root, err)
	}
	var got []string
	err = s.Each(func(name string) error {
		switch name {
		case "one":
			text, err := s.Content()
			got = append(got, "one:"+text)
			return err
		case "three":
			return s.Each(func(name string) error { got = append(got, "three:"+name); return nil })
		}
		got = append(got, name)
		return nil
	})
	if err == nil {
		err = s.Close()
	}
	if diff := cmp.Diff([]string{"one: b de", "two", "three:four"}, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}
