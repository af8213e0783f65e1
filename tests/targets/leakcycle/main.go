// leakcycle: a service that makes a session with its two ends for each of 100 requests a second; each end has a finalizer
// that reports it, and points to the other: none is ever collected. -tags fixed gives the finalizer to what both ends
// point to and that points to none of them. Beside it, connections with finalizers in a registry that are closed.
package main

import (
	"fmt"
	"runtime"
	"sync"
	"time"

	"gotrace-leak.test/targets/busy"
)

const requestsPerSecond = 100

type token struct {
	id   int
	note *int
}

type end struct {
	peer  *end
	token *token
	data  [50]int
}

type connection struct {
	id     int
	server *server
}

type server struct {
	mu     sync.Mutex
	open   map[int]*connection
	closed int
}

var site = &server{open: map[int]*connection{}}

func (t *token) report()      { site.count() }
func (e *end) report()        { site.count() } // LEAK rate=100
func (c *connection) report() { site.count() }

func (s *server) count() {
	s.mu.Lock()
	s.closed++
	s.mu.Unlock()
}

func (s *server) handle(id int) {
	session(id).data[0]++
	s.connect(id)
}

func (s *server) connect(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one := &connection{id: id, server: s}
	runtime.SetFinalizer(one, (*connection).report)
	s.open[id] = one
	delete(s.open, id-500)
}

func main() {
	busy.Start()
	time.AfterFunc(8*time.Second, func() { fmt.Println("READY") })
	start := time.Now()
	for i := 0; ; i++ {
		site.handle(i)
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * time.Second / requestsPerSecond)))
	}
}
