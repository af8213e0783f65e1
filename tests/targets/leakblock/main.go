// leakblock WAY: a server whose handler starts a goroutine for each of 5 requests a second that blocks for ever, in one of
// the ways there are. -tags fixed lets each of them end.
package main

import (
	"fmt"
	"net/http"
	"os"
	"time"

	"gotrace-leak.test/targets/busy"
)

const requestsPerSecond = 5

type request struct{ id int }

type server struct {
	way    func(r *request)
	served int
}

func (s *server) handle(id int) {
	s.route(&request{id: id})
}

func (s *server) route(r *request) {
	s.serve(r)
	s.served++
}

func (s *server) serve(r *request) {
	s.way(r)
}

var ways = map[string]func(r *request){
	"send":      send,
	"receive":   receive,
	"nil":       receiveNil,
	"select":    selectNone,
	"mutex":     lock,
	"rwmutex":   readLock,
	"waitgroup": waitGroup,
	"cond":      waitCond,
	"context":   waitContext,
	"after":     pollAfter,
	"body":      fetch,
	"command":   runCommand,
}

func work(r *request) int {
	time.Sleep(time.Millisecond)
	return r.id
}

// upstream is the other server, in a process of its own, that "body" asks.
func upstream() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write(make([]byte, 100<<10))
	})
	listener := listen()
	fmt.Println(listener.Addr())
	_ = http.Serve(listener, nil)
}

func main() {
	if len(os.Args) < 2 {
		os.Exit(2)
	}
	if os.Args[1] == "upstream" {
		upstream()
	}
	s := &server{way: ways[os.Args[1]]}
	if os.Args[1] == "body" {
		startUpstream()
	}
	busy.Start()
	time.AfterFunc(4*time.Second, func() { fmt.Println("READY") })
	start := time.Now()
	for i := 0; ; i++ {
		s.handle(i)
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * time.Second / requestsPerSecond)))
	}
}
