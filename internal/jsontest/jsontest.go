// Package jsontest holds what writes its JSON by hand to what encoding/json
// would write. It is for tests alone.
package jsontest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Same fails unless AppendJSON and json.Marshal write the same names and values,
// and what was written reads back.
func Same[T interface{ AppendJSON([]byte) []byte }](t *rapid.T, v T) {
	want, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	got := v.AppendJSON([]byte("before"))[len("before"):]
	var wanted, gotten any
	var back T
	if err := json.Unmarshal(want, &wanted); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(got, &gotten); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
	if diff := cmp.Diff(wanted, gotten); diff != "" {
		t.Fatalf("%T (-json.Marshal +AppendJSON):\n%s", v, diff)
	}
	if err := json.Unmarshal(got, &back); err != nil {
		t.Fatalf("%v: %s", err, got)
	}
}

// Drawn is a value of a type with every field, those of nested types included,
// set to something or left at its zero; raw JSON is left out. Fields are found by
// reflection, so that none is forgotten.
func Drawn[T any](t *rapid.T) T {
	var v T
	fill(t, reflect.ValueOf(&v).Elem(), fmt.Sprintf("%T", v))
	return v
}

var text = rapid.OneOf(rapid.SampledFrom([]string{"", "plain", "<!channel> \"quoted\" \\ \n\t\x01  ü \xff"}), rapid.String())

// fill sets every field of a value to something or to its zero.
func fill(t *rapid.T, v reflect.Value, name string) {
	switch v.Interface().(type) {
	case json.RawMessage:
		return
	case time.Time:
		at := time.UnixMicro(rapid.Int64Range(0, 4e15).Draw(t, name)).UTC()
		v.Set(reflect.ValueOf(rapid.SampledFrom([]time.Time{{}, at}).Draw(t, name)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text.Draw(t, name))
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, name))
	case reflect.Int, reflect.Int64:
		v.SetInt(rapid.Int64Range(-3, 1<<40).Draw(t, name))
	case reflect.Struct:
		for i := range v.NumField() {
			fill(t, v.Field(i), name+"."+v.Type().Field(i).Name)
		}
	case reflect.Pointer:
		if rapid.Bool().Draw(t, name) {
			v.Set(reflect.New(v.Type().Elem()))
			fill(t, v.Elem(), name)
		}
	case reflect.Slice:
		if n := rapid.IntRange(0, 3).Draw(t, name); n > 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
			for i := range n {
				fill(t, v.Index(i), name)
			}
		}
	case reflect.Map:
		if m := rapid.MapOfN(text, text, 0, 3).Draw(t, name); len(m) > 0 {
			v.Set(reflect.ValueOf(m))
		}
	default:
		t.Fatalf("%s is of kind %s: teach fill to draw one", name, v.Kind())
	}
}
