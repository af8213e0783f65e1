//go:build !fixed
// +build !fixed

package main

import "syscall"

func handle() {
	in, _ := pipe()
	go func() { // LEAK rate=6
		syscall.Read(in, make([]byte, 1))
	}()
}
