// leakticker: a service that makes a ticker for each session it opens, 400 a second, and forgets it when the session ends,
// among much other work; -tags fixed stops it.
package main

import (
	"fmt"
	"sync"
	"time"

	"gotrace-leak.test/targets/busy"
)

const (
	sessionsPerSecond = 400
	jobsPerSecond     = 500
)

type session struct {
	id      int
	beats   int
	refresh *time.Ticker
}

type service struct {
	mu       sync.Mutex
	sessions map[int]*session
	jobs     chan []byte
}

func (s *service) open(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serve(&session{id: id})
}

func (s *service) worker() {
	for job := range s.jobs {
		ticker := time.NewTicker(time.Millisecond) // made, read and stopped all the time
		<-ticker.C
		ticker.Stop()
		job[0]++
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
	busy.Start()
	s := &service{sessions: map[int]*session{}, jobs: make(chan []byte)}
	for i := 0; i < 8; i++ {
		go s.worker()
	}
	go every(jobsPerSecond, func(i int) { s.jobs <- make([]byte, 16<<10) })
	time.AfterFunc(4*time.Second, func() { fmt.Println("READY") })
	every(sessionsPerSecond, s.open)
}
