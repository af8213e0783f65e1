//go:build !fixed
// +build !fixed

package main

import "time"

func (s *service) serve(one *session) {
	one.refresh = time.NewTicker(500 * time.Millisecond) // LEAK
	s.sessions[one.id] = one
	one.beats++
}
