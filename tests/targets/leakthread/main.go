// leakthread: a service that starts a bound goroutine for each request, 6 a second, as code that uses namespaces or a C
// library does; it waits for a signal that never comes and keeps its thread. -tags fixed ends it.
package main

import (
	"fmt"
	"runtime"
	"time"

	"gotrace-leak.test/targets/busy"
)

const requestsPerSecond = 6

type request struct {
	id   int
	done chan struct{}
}

func (r *request) setUp() {
	runtime.LockOSThread()
	r.id++
}

func main() {
	busy.Start()
	time.AfterFunc(3*time.Second, func() { fmt.Println("READY") })
	start := time.Now()
	for i := 0; ; i++ {
		handle(&request{id: i, done: make(chan struct{})})
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * time.Second / requestsPerSecond)))
	}
}
