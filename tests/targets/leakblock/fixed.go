//go:build fixed
// +build fixed

package main

import (
	"context"
	"net/http"
	"os/exec"
	"sync"
	"time"
)

func send(r *request) {
	answer := make(chan int, 1)
	go func() { answer <- work(r) }()
	select {
	case <-answer:
	case <-time.After(100 * time.Microsecond):
	}
}

func receive(r *request) {
	jobs := make(chan int)
	go func() {
		for job := range jobs {
			r.id += job
		}
	}()
	jobs <- r.id
	close(jobs)
}

func receiveNil(r *request) {
	done := make(chan int)
	close(done)
	go func() {
		work(r)
		<-done
	}()
}

func selectNone(r *request) {
	results, stop := make(chan int), make(chan bool)
	go func() {
		select {
		case results <- work(r):
		case <-stop:
		}
	}()
	close(stop)
}

func lock(r *request) {
	mu := &sync.Mutex{}
	mu.Lock()
	go func() {
		mu.Lock()
		r.id++
		mu.Unlock()
	}()
	work(r)
	mu.Unlock()
}

func readLock(r *request) {
	mu := &sync.RWMutex{}
	mu.Lock()
	go func() {
		mu.RLock()
		r.id++
		mu.RUnlock()
	}()
	work(r)
	mu.Unlock()
}

func waitGroup(r *request) {
	group := &sync.WaitGroup{}
	group.Add(2)
	go func() { work(r); group.Done(); group.Done() }()
	go func() { group.Wait(); r.id++ }()
}

func waitCond(r *request) {
	mu := &sync.Mutex{}
	cond := sync.NewCond(mu)
	go func() {
		mu.Lock()
		for r.id >= 0 {
			cond.Wait()
		}
		mu.Unlock()
	}()
	work(r)
	mu.Lock()
	r.id = -1
	mu.Unlock()
	cond.Signal()
}

var base, stopAll = context.WithCancel(context.Background())

func waitContext(r *request) {
	ctx, cancel := context.WithCancel(base)
	defer cancel()
	if r.id < 0 {
		stopAll()
	}
	go func() {
		<-ctx.Done()
		work(r)
	}()
}

func pollAfter(r *request) {
	done := make(chan bool)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(200 * time.Millisecond):
				work(r)
			}
		}
	}()
	close(done)
}

func fetch(r *request) {
	response, err := http.Get("http://" + upstreamAddress)
	if err == nil {
		r.id = response.StatusCode
		_ = response.Body.Close()
	}
}

func runCommand(r *request) {
	command := exec.CommandContext(base, "true")
	_ = command.Start()
	_ = command.Wait()
}
