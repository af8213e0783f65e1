//go:build !fixed
// +build !fixed

package main

func handle() {
	memory := scratch() // LEAK rate=2097152
	memory[0]++
}
