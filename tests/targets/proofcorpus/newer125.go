//go:build go1.25
// +build go1.25

package main

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func init() {
	leaking = append(leaking, leakSynctest)
	correct = append(correct, okSynctest, okSynctestTimer, okSynctestWakesOutside)
}

// What a bubble is made in: a test, of a run of tests that does not end.
var (
	bubbles chan func(*testing.T)
	forever = make(chan struct{})
)

func serveBubbles() {
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{
		Name: "Bubbles",
		F: func(t *testing.T) {
			for f := range bubbles {
				go synctest.Test(t, f)
			}
		},
	}}, nil, nil)
}

// inBubble runs f as the first goroutine of a bubble, and comes back when f has called `ready`. On SIGUSR1 f goes on;
// that it then waits for a channel from outside keeps the bubble from ending in a panic over those who still wait.
func inBubble(f func(ready func())) {
	if bubbles == nil {
		bubbles = make(chan func(*testing.T))
		go serveBubbles()
	}
	var started atomic.Bool
	bubbles <- func(*testing.T) {
		f(func() { started.Store(true); <-release })
		<-forever
	}
	for !started.Load() {
		time.Sleep(time.Millisecond)
	}
}

func leakSynctest() {
	inBubble(func(ready func()) {
		func() { c := make(chan int); go func() { <-c }() }()
		ready()
	})
}

func okSynctest() {
	inBubble(func(ready func()) {
		c := make(chan int)
		go waiter(func() { <-c })
		ready()
		close(c)
	})
}

// The bubble's clock stands still while its first goroutine waits for something outside.
func okSynctestTimer() {
	inBubble(func(ready func()) {
		c := make(chan int)
		go waiter(func() { <-c })
		time.AfterFunc(time.Hour, func() { close(c) })
		ready()
		time.Sleep(2 * time.Hour)
	})
}

// Only a timer of the bubble leads to what a goroutine outside of it waits for.
func okSynctestWakesOutside() {
	c := make(chan int)
	go waiter(func() { <-c })
	inBubble(func(ready func()) {
		closeAfterAnHour(c)
		ready()
		time.Sleep(2 * time.Hour)
	})
}

func closeAfterAnHour(c chan int) { time.AfterFunc(time.Hour, func() { close(c) }) }
