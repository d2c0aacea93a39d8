package jsonscan

// scanNumber reads the number at i, which begins with a digit or a minus sign.
// It returns the offset after it, or the offset of what is wrong and why.
func scanNumber(data []byte, i int) (end int, bad string) {
	if data[i] == '-' {
		i++
	}
	switch {
	case i == len(data):
		return i, "the text ends within a number"
	case data[i] == '0':
		i++
	case '1' <= data[i] && data[i] <= '9':
		i = digits(data, i)
	default:
		return i, "a number wants a digit here"
	}
	if i < len(data) && data[i] == '.' {
		j := digits(data, i+1)
		if j == i+1 {
			return j, "a number wants a digit after its point"
		}
		i = j
	}
	if i < len(data) && (data[i] == 'e' || data[i] == 'E') {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		j := digits(data, i)
		if j == i {
			return j, "a number wants a digit in its exponent"
		}
		i = j
	}
	return i, ""
}

func digits(data []byte, i int) int {
	for i < len(data) && '0' <= data[i] && data[i] <= '9' {
		i++
	}
	return i
}
