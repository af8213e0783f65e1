//go:build fixed
// +build fixed

package main

func handle() {
	name := copyName()
	defer free(name)
}
