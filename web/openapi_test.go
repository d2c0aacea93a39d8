package web

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestOpenAPI keeps the document, and checks that it holds together: what it
// refers to is there, and every operation says what it takes and gives.
func TestOpenAPI(t *testing.T) {
	w := newWorld(t)
	r := w.ask(200, nil, "", "GET", "/api/v1/openapi.json", "")
	var text bytes.Buffer
	must(t, json.Indent(&text, r.body, "", " "))
	golden(t, "openapi.json", append(text.Bytes(), '\n'))

	var doc map[string]any
	must(t, json.Unmarshal(r.body, &doc))
	if doc["openapi"] != "3.1.0" {
		t.Errorf("openapi: %v", doc["openapi"])
	}
	walkJSON(doc, "#", func(at string, v any) {
		object, ok := v.(map[string]any)
		if !ok {
			return
		}
		if ref, ok := object["$ref"].(string); ok && resolve(doc, ref) == nil {
			t.Errorf("%s: %s leads nowhere", at, ref)
		}
		if kind, ok := object["type"]; ok && strings.Contains(at, "/schema") && !strings.HasSuffix(at, "/properties") {
			for _, one := range asList(kind) {
				if !slices.Contains([]any{"string", "integer", "number", "boolean", "array", "object", "null"}, one) {
					t.Errorf("%s: type %v", at, kind)
				}
			}
		}
	})

	ids := map[string]string{}
	braces := regexp.MustCompile(`\{(\w+)\}`)
	for path, item := range doc["paths"].(map[string]any) {
		for method, v := range item.(map[string]any) {
			op, at := v.(map[string]any), method+" "+path
			id, _ := op["operationId"].(string)
			if id == "" || ids[id] != "" {
				t.Errorf("%s: operationId %q, also of %q", at, id, ids[id])
			}
			ids[id] = at
			if op["summary"] == nil || op["tags"] == nil || op["x-muster-role"] == nil {
				t.Errorf("%s lacks a summary, a tag or a role", at)
			}
			var declared []string
			for _, p := range asList(op["parameters"]) {
				if p := p.(map[string]any); p["in"] == "path" {
					declared = append(declared, p["name"].(string))
					if p["required"] != true {
						t.Errorf("%s: path parameter %v is not required", at, p["name"])
					}
				}
			}
			var wanted []string
			for _, m := range braces.FindAllStringSubmatch(path, -1) {
				wanted = append(wanted, m[1])
			}
			slices.Sort(declared)
			slices.Sort(wanted)
			if !slices.Equal(declared, wanted) {
				t.Errorf("%s declares the path parameters %v", at, declared)
			}
			for status := range op["responses"].(map[string]any) {
				if status != "default" && (len(status) != 3 || status < "200" || status > "599") {
					t.Errorf("%s: status %q", at, status)
				}
			}
			for _, s := range asList(op["security"]) {
				for name := range s.(map[string]any) {
					if resolve(doc, "#/components/securitySchemes/"+name) == nil {
						t.Errorf("%s: no security scheme %q", at, name)
					}
				}
			}
		}
	}
	if len(ids) != len(w.server.routes) {
		t.Errorf("%d operations of %d routes", len(ids), len(w.server.routes))
	}
	if strings.Contains(string(r.body), "ErrorModel") {
		t.Error("the document speaks of errors in a form that is not ours")
	}
}

func asList(v any) []any {
	list, ok := v.([]any)
	if !ok && v != nil {
		return []any{v}
	}
	return list
}

func walkJSON(v any, at string, visit func(at string, v any)) {
	visit(at, v)
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			walkJSON(member, at+"/"+name, visit)
		}
	case []any:
		for i, e := range v {
			walkJSON(e, fmt.Sprintf("%s/%d", at, i), visit)
		}
	}
}

func resolve(doc map[string]any, ref string) any {
	var v any = doc
	for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		object, _ := v.(map[string]any)
		v = object[name]
	}
	return v
}

// TestAnswersFitTheirSchemas checks real answers against the document: every
// member is declared, and none that is required is missing.
func TestAnswersFitTheirSchemas(t *testing.T) {
	w := newWorld(t)
	w.trigger("disk")
	w.fire()
	w.ask(202, nil, "", "POST", "/intake/events/key-of-own-0123456789", `{"title":"no key"}`)
	var doc map[string]any
	w.ask(200, &doc, "", "GET", "/api/v1/openapi.json", "")
	checked := 0
	for _, r := range w.server.routes {
		if r.method != http.MethodGet || r.role != viewer && r.role != admin || strings.Contains(r.path, "{") && !strings.Contains(r.path, "/incidents/{id}") && !strings.Contains(r.path, "complaints") {
			continue
		}
		for _, id := range []string{"1", "2"} {
			answer := w.do("admin", r.method, strings.NewReplacer("{id}", id, "{slug}", "own").Replace(r.path), "")
			if answer.header.Get("Content-Type") != "application/json" {
				continue
			}
			var value any
			must(t, json.Unmarshal(answer.body, &value))
			op := doc["paths"].(map[string]any)[r.path].(map[string]any)["get"].(map[string]any)
			schema := op["responses"].(map[string]any)["200"].(map[string]any)["content"].(map[string]any)["application/json"].(map[string]any)["schema"]
			fits(t, doc, schema.(map[string]any), value, r.path)
			checked++
		}
	}
	if checked < 15 {
		t.Errorf("only %d answers checked", checked)
	}
}

func fits(t *testing.T, doc, schema map[string]any, value any, at string) {
	t.Helper()
	if ref, ok := schema["$ref"].(string); ok {
		schema = resolve(doc, ref).(map[string]any)
	}
	switch v := value.(type) {
	case map[string]any:
		properties, ok := schema["properties"].(map[string]any)
		if !ok {
			return // a map, or anything
		}
		for _, name := range asList(schema["required"]) {
			if _, ok := v[name.(string)]; !ok {
				t.Errorf("%s lacks %v", at, name)
			}
		}
		for name, member := range v {
			p, ok := properties[name].(map[string]any)
			if !ok {
				if name != "$schema" {
					t.Errorf("%s has %s, which is not in the schema", at, name)
				}
				continue
			}
			fits(t, doc, p, member, at+"/"+name)
		}
	case []any:
		items, ok := schema["items"].(map[string]any)
		if !ok && len(v) > 0 && schema["type"] != nil {
			t.Errorf("%s is a list, and should be %v", at, schema["type"])
		}
		for _, e := range v {
			fits(t, doc, items, e, at+"/0")
		}
	case string:
		if kind := schema["type"]; kind != nil && !slices.Contains(asList(kind), any("string")) {
			t.Errorf("%s is a string, and should be %v", at, kind)
		}
	case float64:
		if kind := schema["type"]; kind != nil && !slices.ContainsFunc(asList(kind), func(k any) bool { return k == "integer" || k == "number" }) {
			t.Errorf("%s is a number, and should be %v", at, kind)
		}
	}
}
