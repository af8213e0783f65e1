//go:build !fixed
// +build !fixed

package main

func handle(r *request) {
	go func() { // LEAK rate=6
		r.setUp()
		<-r.done
	}()
}
