//go:build fixed
// +build fixed

package main

func nameOf(document string) string {
	return string([]byte(document[:50]))
}

func (s *service) keepMessage(message []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.messages = append(s.messages, append([]byte(nil), message...))
}
