//go:build fixed
// +build fixed

package main

func consume(s *service) {
	head := &event{id: -1}
	for at := head; ; {
		at.next = next(s, at)
		at = at.next
		head = at
		s.done += head.id
	}
}

func next(s *service, at *event) *event {
	return &event{id: <-s.events + at.id - at.id}
}
