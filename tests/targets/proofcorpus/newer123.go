//go:build go1.23
// +build go1.23

package main

import (
	"iter"
	"unique"
)

func init() {
	leaking = append(leaking, leakIterator, leakIteratorForgotten, leakIteratorNotBegun, leakIteratorInIterator)
	correct = append(correct, okIteratorHolds, okIteratorStops, okIteratorNotBegun, okIteratorWaits, okIteratorInIterator,
		okUnique)
	moving = append(moving, okIterate)
}

// Nobody calls next or stop any more.
func leakIteratorForgotten() {
	next, _ := iter.Pull(func(yield func(int) bool) { count(yield) })
	next()
}

func leakIteratorNotBegun() {
	iter.Pull(count)
}

func leakIteratorInIterator() {
	next, _ := iter.Pull(func(yield func(int) bool) {
		counting(func(yield func(int) bool) { count(yield) })(yield)
	})
	next()
}

func count(yield func(int) bool) {
	for i := 0; yield(i); i++ {
	}
}

func counting(of iter.Seq[int]) iter.Seq[int] {
	return func(yield func(int) bool) {
		next, stop := iter.Pull(of)
		defer stop()
		for i, ok := next(); ok && yield(i); i, ok = next() {
		}
	}
}

func okIteratorStops() {
	next, stop := iter.Pull(func(yield func(int) bool) {
		waiter(func() { count(yield) })
	})
	next()
	onRelease(stop)
}

func okIteratorNotBegun() {
	c := make(chan int)
	next, _ := iter.Pull(func(yield func(int) bool) { close(c) })
	onRelease(func() { next() })
	go waiter(func() { <-c })
}

// Both sides wait: for a channel, and for who waits for it.
func okIteratorWaits() {
	c := make(chan int)
	next, _ := iter.Pull(func(yield func(int) bool) { yield(<-c) })
	onRelease(func() { c <- 1 })
	go waiter(func() { next() })
}

func okIteratorInIterator() {
	next, stop := iter.Pull(func(yield func(int) bool) {
		waiter(func() { counting(func(yield func(int) bool) { count(yield) })(yield) })
	})
	next()
	onRelease(stop)
}

// Iterators that others switch to all the time, or that have just been dropped, stopped.
func okIterate() {
	for {
		next, stop := iter.Pull(counting(count))
		for i := 0; i < 200; i++ {
			next()
		}
		c := make(chan int)
		go func() {
			next()
			stop()
			close(c)
		}()
		<-c
	}
}

// The iterator waits for what nobody has, and its consumer for the iterator.
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
