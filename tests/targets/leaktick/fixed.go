//go:build fixed
// +build fixed

package main

import "time"

func (s *service) await(id int) int {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case got := <-s.ready:
			return got
		case <-ticker.C:
		}
	}
}
