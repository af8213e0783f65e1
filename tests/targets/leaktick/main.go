// leaktick: a service that waits for each of 40 requests a second with time.Tick, whose ticker nobody can stop: up to Go
// 1.22 each stays for ever, from 1.23 on it is collected. -tags fixed stops a ticker of its own.
package main

import (
	"fmt"
	"time"

	"gotrace-leak.test/targets/busy"
)

const requestsPerSecond = 40

type service struct{ ready chan int }

func (s *service) handle(id int) {
	go func() { s.ready <- id }()
	s.await(id)
}

func main() {
	busy.Start()
	s := &service{ready: make(chan int)}
	time.AfterFunc(4*time.Second, func() { fmt.Println("READY") })
	start := time.Now()
	for i := 0; ; i++ {
		s.handle(i)
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * time.Second / requestsPerSecond)))
	}
}
