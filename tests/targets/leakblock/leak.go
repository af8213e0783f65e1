//go:build !fixed
// +build !fixed

package main

import (
	"context"
	"net/http"
	"os/exec"
	"sync"
	"time"
)

func send(r *request) {
	answer := make(chan int)
	go func() { answer <- work(r) }() // LEAK_SEND rate=5
	select {
	case <-answer:
	case <-time.After(100 * time.Microsecond):
	}
}

func receive(r *request) {
	jobs := make(chan int)
	go func() { // LEAK_RECEIVE rate=5
		for job := range jobs {
			r.id += job
		}
	}()
	jobs <- r.id
}

func receiveNil(r *request) {
	var done chan int
	go func() { // LEAK_NIL rate=5
		work(r)
		<-done
	}()
}

func selectNone(r *request) {
	results, stop := make(chan int), make(chan bool)
	go func() { // LEAK_SELECT rate=5
		select {
		case results <- work(r):
		case <-stop:
		}
	}()
}

func lock(r *request) {
	mu := &sync.Mutex{}
	mu.Lock()
	go func() { // LEAK_MUTEX rate=5
		mu.Lock()
		r.id++
		mu.Unlock()
	}()
	work(r)
}

func readLock(r *request) {
	mu := &sync.RWMutex{}
	mu.Lock()
	go func() { // LEAK_RWMUTEX rate=5
		mu.RLock()
		r.id++
		mu.RUnlock()
	}()
	work(r)
}

func waitGroup(r *request) {
	group := &sync.WaitGroup{}
	group.Add(2)
	go func() { work(r); group.Done() }()
	go func() { group.Wait(); r.id++ }() // LEAK_WAITGROUP rate=5
}

func waitCond(r *request) {
	mu := &sync.Mutex{}
	cond := sync.NewCond(mu)
	go func() { // LEAK_COND rate=5
		mu.Lock()
		for r.id >= 0 {
			cond.Wait()
		}
		mu.Unlock()
	}()
	work(r)
}

var base, stopAll = context.WithCancel(context.Background())

func waitContext(r *request) {
	ctx, cancel := context.WithCancel(base)
	if r.id < 0 {
		cancel()
		stopAll()
	}
	go func() { // LEAK_CONTEXT rate=5
		<-ctx.Done()
		work(r)
	}()
}

func pollAfter(r *request) {
	done := make(chan bool)
	go func() { // LEAK_AFTER rate=5
		for {
			select {
			case <-done:
				return
			case <-time.After(200 * time.Millisecond):
				work(r)
			}
		}
	}()
}

func fetch(r *request) {
	response, err := http.Get("http://" + upstreamAddress) // LEAK_BODY rate=5
	if err == nil {
		r.id = response.StatusCode
	}
}

func runCommand(r *request) {
	command := exec.CommandContext(base, "true")
	_ = command.Start() // LEAK_COMMAND rate=5
}
