package xmlscan

import "io"

// Root goes to the outermost element and returns its name.
func (s *Scanner) Root() (string, error) {
	_, err := s.Next() // the first token of a document is a start tag
	if err != nil {
		return "", err
	}
	return s.name, nil
}

// Each calls f for each element that lies directly in the open one, and goes
// past the end of that. Of its element f may read what it wants, with Each and
// Content; Attr is to be asked before that.
func (s *Scanner) Each(f func(name string) error) error {
	depth := len(s.open)
	for {
		kind, err := s.Next()
		if err != nil {
			return err
		}
		switch {
		case kind == Start:
			if err := f(s.name); err != nil {
				return err
			}
			if err := s.leave(depth); err != nil {
				return err
			}
		case kind == End:
			return nil
		}
	}
}

// leave goes on until no more than depth elements are open.
func (s *Scanner) leave(depth int) error {
	for len(s.open) > depth {
		if _, err := s.Next(); err != nil {
			return err
		}
	}
	return nil
}

// Content returns the text that lies directly in the open element, and goes past
// the end of that. Of a long text it is the beginning.
func (s *Scanner) Content() (string, error) {
	s.holder = s.holder[:0]
	depth := len(s.open)
	for {
		kind, err := s.Next()
		if err != nil {
			return "", err
		}
		switch {
		case kind == Text && len(s.open) == depth && len(s.holder) < MaxText:
			s.holder = append(s.holder, s.text...)
		case kind == End && len(s.open) < depth:
			return s.word(s.holder), nil
		}
	}
}

// Close goes to the end of the document, and returns an error unless all of it
// is there and nothing follows.
func (s *Scanner) Close() error {
	for {
		if _, err := s.Next(); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
	}
}
