// Package chart draws a ratio over time against its threshold, as SVG and as text.
package chart

import "time"

type Point struct {
	At    time.Time
	Ratio float64
}
type Mark struct {
	At    time.Time
	Label string
}
type Series struct {
	Title     string
	Points    []Point
	Threshold float64
	Marks     []Mark
}

func SVG(s Series, w, h int) []byte  { return nil }
func Text(s Series, w, h int) string { return "" }
