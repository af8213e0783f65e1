//go:build !fixed
// +build !fixed

package main

func handle() {
	name := copyName() // LEAK rate=2621440
	_ = name
}
