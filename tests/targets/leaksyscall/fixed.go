//go:build fixed
// +build fixed

package main

import "syscall"

func handle() {
	in, out := pipe()
	go func() {
		syscall.Read(in, make([]byte, 1))
		syscall.Close(in)
	}()
	syscall.Close(out)
}
