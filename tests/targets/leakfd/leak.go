//go:build !fixed
// +build !fixed

package main

import "os"

func (s *service) write(id int) error {
	file, err := os.Open(os.Args[0]) // LEAK rate=40
	if err != nil {
		return err
	}
	s.reports[id] = file
	_, err = file.Read(make([]byte, 16))
	return err
}
