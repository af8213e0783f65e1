// leakfd: a report service that opens a file for each request, 40 a second, among much other work; -tags fixed closes it.
package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"gotrace-leak.test/targets/busy"
)

const (
	requestsPerSecond = 40
	jobsPerSecond     = 500
)

type service struct {
	mu      sync.Mutex
	reports map[int]*os.File // open reports, by request
	jobs    chan []byte
}

func (s *service) handle(id int) {
	if err := s.report(id); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (s *service) report(id int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.write(id)
}

func (s *service) worker() {
	for job := range s.jobs {
		short, err := os.Open(os.DevNull) // opened and closed all the time
		if err == nil {
			short.Read(job)
			short.Close()
		}
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
	s := &service{reports: map[int]*os.File{}, jobs: make(chan []byte)}
	for i := 0; i < 8; i++ {
		go s.worker()
	}
	go every(jobsPerSecond, func(i int) { s.jobs <- make([]byte, 16<<10) })
	time.AfterFunc(2*time.Second, func() { fmt.Println("READY") })
	every(requestsPerSecond, s.handle)
}
