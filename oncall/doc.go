// Package oncall turns rotations, layers and overrides into shifts: who is on
// call, from when, until when.
//
// It knows civil dates, wall clocks and time zones, and computes with them
// alone; days are never 24 hours. It does not know the time, users beyond
// their names, how anybody is reached, or where a schedule is kept.
//
// All ranges are half-open: [From, To). All instants that it returns are in
// the schedule's zone.
package oncall
