//go:build !fixed
// +build !fixed

package main

func (s *service) take() *job {
	one := s.queue[0]
	s.queue = s.queue[1:]
	return one
}

func cut(shard []*job, n int) []*job {
	return shard[:n]
}

func lastOf(fields []string) []string {
	return fields[len(fields)-1:]
}
