//go:build go1.23
// +build go1.23

package main

import (
	"iter"
	"unique"
)

func init() {
	leaking = append(leaking, leakIterator)
	correct = append(correct, okIteratorHolds, okUnique)
}

// A coroutine: nobody calls next or stop any more.
func leakIterator() {
	c := make(chan int)
	next, stop := iter.Pull(func(yield func(int) bool) { yield(<-c) })
	_ = stop
	go func() { next() }()
}

func okIteratorHolds() {
	c := make(chan int)
	next, _ := iter.Pull(func(yield func(int) bool) {
		yield(1)
		close(c)
	})
	next()
	onRelease(func() { next() })
	go waiter(func() { <-c })
}

type named struct {
	name string
	c    chan int
}

func okUnique() {
	c := make(chan int)
	handle := unique.Make(named{"x", c})
	onRelease(func() { close(handle.Value().c) })
	go waiter(func() { <-c })
}
