// leakchan: a worker service that leaks one goroutine per quote request on a channel nobody reads, 5 requests a second,
// among 10,000 healthy workers of a pool that wait for jobs.
package main

import (
	"fmt"
	"time"
)

const (
	workers          = 10000
	quotesPerSecond  = 5
	jobsPerSecond    = 200
	quoteComputation = 5 * time.Millisecond
	quotePatience    = time.Millisecond
)

type service struct {
	jobs chan int
	done chan int
}

func (s *service) worker() {
	for job := range s.jobs {
		s.done <- job + 1
	}
}

// quote gives up before the answer is there; the goroutine that computes it can then never send.
func (s *service) quote(id int) int {
	result := make(chan int)
	go func() { // LEAK rate=5
		time.Sleep(quoteComputation)
		result <- id // BLOCKED
	}()
	select {
	case answer := <-result:
		return answer
	case <-time.After(quotePatience):
		return -1
	}
}

// every calls f `rate` times a second by the wall clock, for ever.
func every(rate int, f func(i int)) {
	start := time.Now()
	for i := 0; ; i++ {
		f(i)
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * time.Second / time.Duration(rate))))
	}
}

func main() {
	s := &service{jobs: make(chan int), done: make(chan int, 64)}
	for i := 0; i < workers; i++ {
		go s.worker()
	}
	go func() {
		for range s.done {
		}
	}()
	go every(jobsPerSecond, func(i int) { s.jobs <- i })
	time.AfterFunc(time.Second, func() { fmt.Println("READY") })
	every(quotesPerSecond, func(i int) { s.quote(i) })
}
