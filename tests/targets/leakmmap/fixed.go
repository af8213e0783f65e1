//go:build fixed
// +build fixed

package main

import "syscall"

func handle() {
	memory := scratch()
	defer syscall.Munmap(memory)
	memory[0]++
}
