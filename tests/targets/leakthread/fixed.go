//go:build fixed
// +build fixed

package main

import "runtime"

func handle(r *request) {
	go func() {
		r.setUp()
		defer runtime.UnlockOSThread()
		defer func() { <-r.done }()
		close(r.done)
	}()
}
