//go:build fixed
// +build fixed

package main

import "os"

func (s *service) write(id int) error {
	file, err := os.Open(os.Args[0])
	if err != nil {
		return err
	}
	defer file.Close()
	s.reports[id] = file
	_, err = file.Read(make([]byte, 16))
	delete(s.reports, id)
	return err
}
