package gate

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// testSeed is a key of the tests, of a seed that is one byte again and again.
func testSeed(b byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{b}, ed25519.SeedSize))
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func sha(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

func exampleStatement() Statement {
	return Verdict{
		Pass: true, Reason: "no findings in 1 report", Suite: "unit", At: noon, Budget: DefaultBudget(),
		Reports: []Report{{Name: "valgrind.xml", Digest: sha("report")}},
		Source:  Source{Commit: "8d0f2b6c1e", Branch: "main", Default: true, Pipeline: "https://ci.example/1", Project: "shop/parser"},
	}.Statement("parser.tar.gz", sha("artefact"), sha("baseline"), "1.8.0")
}

func mustSign(t testing.TB, k ed25519.PrivateKey, s Statement) []byte {
	t.Helper()
	text, err := Sign(k, s)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestSignAndOpen(t *testing.T) {
	key := testSeed(1)
	want := exampleStatement()
	text := mustSign(t, key, want)
	got, err := Open(text, []ed25519.PublicKey{public(testSeed(2)), public(key)})
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got)\n%s", err, diff)
	}
	if again := mustSign(t, key, want); !bytes.Equal(text, again) {
		t.Error("signed again, it is another")
	}
	golden(t, "signed.json", text)
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	payload, _ := decode64(e.Payload)
	golden(t, "statement.json", payload)
}

func TestSignRoundTrip(t *testing.T) {
	key := testSeed(1)
	rapid.Check(t, func(t *rapid.T) {
		text := func(name string) string { return rapid.String().Draw(t, name) }
		want := Statement{
			Artefact: text("artefact"), Digest: sha(text("content")), Verdict: rapid.SampledFrom([]string{"pass", "fail"}).Draw(t, "verdict"),
			Reason: text("reason"), Suite: text("suite"), At: noon.Add(time.Duration(rapid.Int64Range(-1e17, 1e17).Draw(t, "at"))),
			Source: Source{Commit: text("commit"), Branch: text("branch"), Default: rapid.Bool().Draw(t, "default"), Pipeline: text("pipeline"), Project: text("project")},
			Budget: text("budget"), Muster: text("muster"),
		}
		for range rapid.IntRange(0, 3).Draw(t, "reports") {
			want.Reports = append(want.Reports, StatementReport{text("name"), text("digest")})
		}
		signed, err := Sign(key, want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Open(signed, []ed25519.PublicKey{public(key)})
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Fatalf("%v (-want +got)\n%s", err, diff)
		}
	})
}

// TestPreAuth holds the bytes that are signed to the example of the protocol.
func TestPreAuth(t *testing.T) {
	if got, want := string(preAuth("http://example.com/HelloWorld", []byte("hello world"))), "DSSEv1 29 http://example.com/HelloWorld 11 hello world"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := string(preAuth("é", nil)), "DSSEv1 2 é 0 "; got != want {
		t.Errorf("%q, want %q: lengths are of bytes", got, want)
	}
}

// TestTampered changes each field of the statement and of the envelope below
// the old signature.
func TestTampered(t *testing.T) {
	key := testSeed(1)
	keys := []ed25519.PublicKey{public(key)}
	var e envelope
	if err := json.Unmarshal(mustSign(t, key, exampleStatement()), &e); err != nil {
		t.Fatal(err)
	}
	payload, _ := decode64(e.Payload)
	open := func(change envelope) error {
		text, err := json.Marshal(change)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Open(text, keys)
		return err
	}
	if err := open(e); err != nil {
		t.Fatal("the untouched one: ", err)
	}
	var fields map[string]any
	if err := json.Unmarshal(payload, &fields); err != nil {
		t.Fatal(err)
	}
	changed := 0
	var walk func(in any, set func(any))
	walk = func(in any, set func(any)) {
		switch v := in.(type) {
		case map[string]any:
			for k := range v {
				walk(v[k], func(x any) { v[k] = x })
			}
		case []any:
			for i := range v {
				walk(v[i], func(x any) { v[i] = x })
			}
		default:
			other := any("other")
			if b, ok := in.(bool); ok {
				other = !b
			}
			set(other)
			body, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			set(in)
			forged := e
			forged.Payload = base64.StdEncoding.EncodeToString(body)
			if err := open(forged); err == nil || !strings.Contains(err.Error(), "none of 1 key has signed it") {
				t.Errorf("opened with %s: %v", body, err)
			}
			changed++
		}
	}
	walk(fields, nil)
	if changed < 16 {
		t.Errorf("only %d fields were changed", changed)
	}
	for name, edit := range map[string]func(*envelope){
		"type":           func(e *envelope) { e.PayloadType = "application/json" },
		"no signature":   func(e *envelope) { e.Signatures = nil },
		"empty":          func(e *envelope) { e.Signatures = []envelopeSignature{{KeyID: e.Signatures[0].KeyID}} },
		"of another key": func(e *envelope) { e.Signatures[0].Signature = signedWith(testSeed(9), payload) },
		"no base64":      func(e *envelope) { e.Payload = "%" },
		"too many": func(e *envelope) {
			e.Signatures = append(make([]envelopeSignature, maxSignatures), e.Signatures...)
		},
	} {
		forged := e
		forged.Signatures = append([]envelopeSignature{}, e.Signatures...)
		edit(&forged)
		if open(forged) == nil {
			t.Errorf("%s: opened", name)
		}
	}
	hint := e
	hint.Signatures = []envelopeSignature{{KeyID: "another", Signature: "AAAA"}, {KeyID: "", Signature: e.Signatures[0].Signature}}
	if err := open(hint); err != nil {
		t.Errorf("the key's name is but a hint, and one of several signatures is enough: %v", err)
	}
	if _, err := Open(mustSign(t, key, exampleStatement()), nil); err == nil {
		t.Error("opened without a key")
	}
}

func signedWith(k ed25519.PrivateKey, payload []byte) string {
	return base64.StdEncoding.EncodeToString(ed25519.Sign(k, preAuth(payloadType, payload)))
}

// TestSignedByUsAndWrong signs what is no statement of ours with the right key.
func TestSignedByUsAndWrong(t *testing.T) {
	key := testSeed(1)
	good, err := exampleStatement().payload()
	if err != nil {
		t.Fatal(err)
	}
	replace := func(old, new string) string { return strings.Replace(string(good), old, new, 1) }
	for name, tt := range map[string]struct{ payload, want string }{
		"another type":      {replace(statementType, "https://in-toto.io/Statement/v0.1"), "no in-toto statement"},
		"another predicate": {replace(predicateType, "https://slsa.dev/provenance/v1"), "no verdict of a gate"},
		"no subject":        {replace(`"subject":[{`, `"subject":[],"x":[{`), "0 artefacts"},
		"two subjects":      {replace(`"subject":[{`, `"subject":[{},{`), "2 artefacts"},
		"no digest":         {replace(sha("artefact"), "abc"), "no SHA-256"},
		"upper-case digest": {replace(sha("artefact"), strings.ToUpper(sha("artefact"))), "no SHA-256"},
		"a third verdict":   {replace(`"pass"`, `"maybe"`), "neither pass nor fail"},
		"no time":           {replace(`"at":"2026-11-22T12:00:00Z",`, ""), "when it was judged"},
		"something behind":  {string(good) + "{}", "behind the statement"},
		"no JSON":           {"hello", "no JSON"},
	} {
		text, err := json.Marshal(envelope{base64.StdEncoding.EncodeToString([]byte(tt.payload)), payloadType, []envelopeSignature{{"", signedWith(key, []byte(tt.payload))}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(text, []ed25519.PublicKey{public(key)}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
	for _, s := range []Statement{{}, {Digest: sha("a"), Verdict: "pass"}, {Digest: "a", Verdict: "pass", At: noon}} {
		if _, err := Sign(key, s); err == nil {
			t.Errorf("signed %+v", s)
		}
	}
	if _, err := Sign(nil, exampleStatement()); err == nil {
		t.Error("signed without a key")
	}
}

// TestOpenSSL lets OpenSSL make the key and check the signature.
func TestOpenSSL(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("not here: openssl")
	}
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	openssl := func(args ...string) error {
		out, err := exec.Command("openssl", args...).CombinedOutput()
		if err != nil {
			t.Logf("openssl %v: %v: %s", args, err, out)
		}
		return err
	}
	read := func(name string) []byte {
		text, err := os.ReadFile(file(name))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	write := func(name string, text []byte) {
		if err := os.WriteFile(file(name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if openssl("genpkey", "-algorithm", "ed25519", "-out", file("key.pem")) != nil ||
		openssl("pkey", "-in", file("key.pem"), "-pubout", "-out", file("public.pem")) != nil {
		t.Fatal("no keys")
	}
	private, err := ParsePrivateKey(read("key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	shared, err := ParsePublicKey(read("public.pem"))
	if err != nil || !shared.Equal(private.Public()) {
		t.Fatalf("the public key is another: %v", err)
	}
	text := mustSign(t, private, exampleStatement())
	if _, err := Open(text, []ed25519.PublicKey{shared}); err != nil {
		t.Fatal(err)
	}
	var e envelope
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	payload, _ := base64.StdEncoding.DecodeString(e.Payload)
	signature, _ := base64.StdEncoding.DecodeString(e.Signatures[0].Signature)
	write("signature", signature)
	verify := func(message []byte) error {
		write("message", message)
		return openssl("pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", file("public.pem"), "-in", file("message"), "-sigfile", file("signature"))
	}
	if err := verify(preAuth(payloadType, payload)); err != nil {
		t.Error("OpenSSL does not take our signature")
	}
	if verify(preAuth(payloadType, bytes.Replace(payload, []byte("pass"), []byte("fail"), 1))) == nil {
		t.Error("OpenSSL takes it for another text as well")
	}
	// And the other way: what OpenSSL signs, we open.
	write("message", preAuth(payloadType, payload))
	if openssl("pkeyutl", "-sign", "-rawin", "-inkey", file("key.pem"), "-in", file("message"), "-out", file("signature")) != nil {
		t.Fatal("OpenSSL does not sign")
	}
	e.Signatures[0].Signature = base64.StdEncoding.EncodeToString(read("signature"))
	text, _ = json.Marshal(e)
	if _, err := Open(text, []ed25519.PublicKey{shared}); err != nil {
		t.Error("what OpenSSL signed is not taken: ", err)
	}
}

const (
	pemPrivate = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEB\n-----END PRIVATE KEY-----\n"
	pemPublic  = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAiojj3XQJ8ZX9UtstPLpdcspnCb8dlBIb83SIAbQPb1w=\n-----END PUBLIC KEY-----\n"
)

func TestKeys(t *testing.T) {
	key := testSeed(1)
	seed := base64.StdEncoding.EncodeToString(key.Seed())
	for name, text := range map[string]string{"PEM": pemPrivate, "seed": seed, "spaces": " \n" + seed + "\r\n", "mark": "\ufeff" + pemPrivate, "words before": "my key\n" + pemPrivate} {
		if got, err := ParsePrivateKey([]byte(text)); err != nil || !got.Equal(key) {
			t.Errorf("private, %s: %v", name, err)
		}
	}
	raw := base64.StdEncoding.EncodeToString(public(key))
	for name, text := range map[string]string{"PEM": pemPublic, "base64": raw, "the other alphabet": base64.URLEncoding.EncodeToString(public(key))} {
		if got, err := ParsePublicKey([]byte(text)); err != nil || !got.Equal(public(key)) {
			t.Errorf("public, %s: %v", name, err)
		}
	}
	if id := KeyID(public(key)); id != sha(string(public(key)))[:16] {
		t.Errorf("key id %s", id)
	}
}

// TestKeysThatAreNone looks for any part of a key in errors.
func TestKeysThatAreNone(t *testing.T) {
	body := strings.Split(pemPrivate, "\n")[1]
	seed := base64.StdEncoding.EncodeToString(testSeed(1).Seed())
	mistakes := map[string]string{
		"empty": "", "words": "hunter2hunter2", "short": seed[:20] + "==", "long": seed + seed, "cut PEM": pemPrivate[:60], "no end": strings.TrimSuffix(pemPrivate, "-----END PRIVATE KEY-----\n"),
		"damaged": strings.Replace(pemPrivate, "MC4C", "MC4D", 1), "encrypted": strings.ReplaceAll(pemPrivate, "PRIVATE", "ENCRYPTED PRIVATE"), "hex": hex.EncodeToString(testSeed(1).Seed()),
		"RSA": strings.ReplaceAll(pemPrivate, "PRIVATE", "RSA PRIVATE"),
	}
	for name, text := range mistakes {
		for i, err := range []error{second(ParsePrivateKey([]byte(text))), second(ParsePublicKey([]byte(text)))} {
			if err == nil {
				if name != "RSA" || i != 0 { // PKCS #8 under a wrong name is what it is
					t.Errorf("%s: taken", name)
				}
				continue
			}
			for _, secret := range []string{body, seed, "hunter2", "AQEB", "0101"} {
				if strings.Contains(err.Error(), secret) {
					t.Errorf("%s: the error shows the key: %v", name, err)
				}
			}
		}
	}
	if _, err := ParsePublicKey([]byte(pemPrivate)); err == nil || !strings.Contains(err.Error(), "PRIVATE KEY") {
		t.Errorf("a private key as a public one: %v", err)
	}
	if _, err := ParsePrivateKey([]byte(pemPublic)); err == nil || !strings.Contains(err.Error(), "public one") {
		t.Errorf("a public key as a private one: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

func TestPolicy(t *testing.T) {
	good := exampleStatement()
	policy := Policy{Artefact: good.Digest, Commit: good.Source.Commit, Project: good.Source.Project, Suites: []string{"unit"}, MaxAge: 24 * time.Hour}
	edited := func(edits ...func(*Statement)) Statement {
		s := good
		for _, e := range edits {
			e(&s)
		}
		return s
	}
	failed := func(s *Statement) { s.Verdict, s.Reason = "fail", "1 critical" }
	later := func(s *Statement) { s.At = s.At.Add(time.Minute) }
	long := func(s *Statement) { s.Suite = "long" }
	other := func(s *Statement) { s.Digest, s.Artefact = sha("other"), "other.tar.gz" }
	tests := []struct {
		name       string
		policy     func(*Policy)
		statements []Statement
		after      time.Duration
		want       []string // one for each thing that is wrong
	}{
		{"all is well", nil, []Statement{good}, time.Hour, nil},
		{"at the last moment", nil, []Statement{good}, 24 * time.Hour, nil},
		{"a clock that is ahead", nil, []Statement{good}, -5 * time.Minute, nil},
		{"nothing", nil, nil, time.Hour, []string{`suite "unit": nothing is signed for this artefact`}},
		{"not passing", nil, []Statement{edited(failed)}, time.Hour, []string{`suite "unit": it did not pass: 1 critical`}},
		{"another artefact", nil, []Statement{edited(other)}, time.Hour, []string{`suite "unit": what is signed is for another artefact, "other.tar.gz"`}},
		{"another artefact beside", nil, []Statement{edited(other, failed, later), good}, time.Hour, nil},
		{"another commit", nil, []Statement{edited(func(s *Statement) { s.Source.Commit = "fff" })}, time.Hour, []string{`it is of another commit, "fff"`}},
		{"another project", nil, []Statement{edited(func(s *Statement) { s.Source.Project = "x/y" })}, time.Hour, []string{`it is of another project, "x/y"`}},
		{"too old", nil, []Statement{good}, 24*time.Hour + time.Second, []string{"it is too old, of 2026-11-22T12:00:00Z; at most 24h0m0s"}},
		{"from the future", nil, []Statement{good}, -5*time.Minute - time.Second, []string{"it is from the future"}},
		{"a suite is missing", func(p *Policy) { p.Suites = []string{"unit", "long"} }, []Statement{good}, time.Hour, []string{`suite "long": nothing is signed`}},
		{"two suites", func(p *Policy) { p.Suites = []string{"unit", "long"} }, []Statement{good, edited(long)}, time.Hour, nil},
		{"a suite that nobody asked for failed", nil, []Statement{good, edited(long, failed)}, time.Hour, []string{`suite "long": it did not pass`}},
		{"run again and passed", nil, []Statement{edited(failed), edited(later)}, time.Hour, nil},
		{"run again and failed", nil, []Statement{edited(failed, later), good}, time.Hour, []string{"did not pass"}},
		{"both at once", nil, []Statement{edited(failed), good}, time.Hour, []string{"did not pass"}},
		{"both at once, the other way", nil, []Statement{good, edited(failed)}, time.Hour, []string{"did not pass"}},
		{"everything", nil, []Statement{edited(failed, func(s *Statement) { s.Source = Source{} })}, 48 * time.Hour, []string{"did not pass", "another commit", "another project", "too old"}},
		{"no suite is asked for", func(p *Policy) { p.Suites = nil }, []Statement{edited(long)}, time.Hour, nil},
		{"no suite is asked for, and none is there", func(p *Policy) { p.Suites = nil }, nil, time.Hour, []string{"nothing is signed for this artefact"}},
		{"no suite is asked for, and another artefact", func(p *Policy) { p.Suites = nil }, []Statement{edited(other)}, time.Hour, []string{"for another artefact"}},
		{"any age, commit and project", func(p *Policy) { p.MaxAge, p.Commit, p.Project = 0, "", "" }, []Statement{edited(func(s *Statement) { s.Source = Source{} })}, 9999 * time.Hour, nil},
		{"a policy without an artefact", func(p *Policy) { p.Artefact = "" }, []Statement{good}, time.Hour, []string{"policy: the artefact's digest"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := policy
			if tt.policy != nil {
				tt.policy(&p)
			}
			var said []string
			if err := p.Check(tt.statements, noon.Add(tt.after)); err != nil {
				said = strings.Split(err.Error(), "\n")
			}
			if len(said) != len(tt.want) {
				t.Fatalf("said %q, want %q", said, tt.want)
			}
			for i := range said {
				if !strings.Contains(said[i], tt.want[i]) {
					t.Errorf("said %q, want %q", said[i], tt.want[i])
				}
			}
		})
	}
}

// FuzzOpen looks for anything that opens without having been signed so.
func FuzzOpen(f *testing.F) {
	key := testSeed(1)
	want := exampleStatement()
	signed := mustSign(f, key, want)
	f.Add(signed)
	f.Add([]byte(`{"payload":"","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":""}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Open(text, []ed25519.PublicKey{public(key)})
		if err != nil {
			return
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("opened, and nobody signed it (-signed +opened)\n%s", diff)
		}
	})
}
