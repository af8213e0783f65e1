//go:build fixed
// +build fixed

package main

func (s *service) take() *job {
	one := s.queue[0]
	s.queue[0] = nil
	s.queue = s.queue[1:]
	return one
}

func cut(shard []*job, n int) []*job {
	for i := range shard[n:] {
		shard[n+i] = nil
	}
	return shard[:n]
}

func lastOf(fields []string) []string {
	return append([]string(nil), fields[len(fields)-1:]...)
}
