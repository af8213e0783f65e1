//go:build !fixed
// +build !fixed

package main

import "time"

func (s *service) await(id int) int {
	tick := time.Tick(50 * time.Millisecond) // LEAK
	for {
		select {
		case got := <-s.ready:
			return got
		case <-tick:
		}
	}
}
