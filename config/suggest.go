package config

// suggest returns the word of known that is nearest to word by Levenshtein
// distance, if it is near enough to be what was meant, or "".
func suggest(word string, known []string) string {
	best, least := "", 1+min(len(word)/4, 2)
	for _, k := range known {
		if d := distance(word, k, least); d <= least && (d < least || best == "") {
			best, least = k, d
		}
	}
	if best == word {
		return ""
	}
	return best
}

// suggest stops searching after the first problems: on a file that is wrong
// all over it would cost a lot and help nobody.
func (r *reader) suggest(word string, known []string) string {
	if len(r.problems) > 100 {
		return ""
	}
	return suggest(word, known)
}

// distance returns the Levenshtein distance of two words, in bytes, or
// something greater than most where it exceeds most. Only the diagonal band
// that can matter is computed.
func distance(a, b string, most int) int {
	if len(a) > len(b)+most || len(b) > len(a)+most {
		return most + 1
	}
	prev, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		low, high := max(1, i-most), min(len(b), i+most)
		row[low-1] = most + 1
		if low == 1 {
			row[0] = i
		}
		least := row[low-1]
		for j := low; j <= high; j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			d := prev[j-1] + cost
			if j < i+most { // the cell above lies in the band
				d = min(d, prev[j]+1)
			}
			if j > low || low == 1 {
				d = min(d, row[j-1]+1)
			}
			row[j] = d
			least = min(least, d)
		}
		if least > most {
			return most + 1
		}
		prev, row = row, prev
	}
	return prev[len(b)]
}
