// leakqueue HOW: a service with a backlog of 20,000 jobs that workers take, 400 a second. HOW "pop": what is taken stays in
// the queue's array, before its head. HOW "cut": of the jobs of each shard all but the first ones are dropped, and stay
// behind the length. HOW "strings": the last of each record's fields is kept, as a slice of all of them. -tags fixed
// sets to nil what is taken, or copies.
package main

import (
	"fmt"
	_ "net/http/pprof" // as services have it: the runtime samples what it allocates
	"os"
	"sync"
	"time"

	"gotrace-leak.test/targets/busy"
)

const (
	backlog       = 20000
	jobsPerSecond = 400
	shardJobs     = 1200
	shardsKept    = 20
	fieldsOfOne   = 4096
)

type job struct {
	id   int
	next *job
	data [1000]byte
}

type service struct {
	mu     sync.Mutex
	queue  []*job
	done   int
	shards [shardsKept][]*job
	fields map[int][]string

	scratch []byte
}

var site = &service{fields: map[int][]string{}}

func (s *service) fill(count int) {
	queue := make([]*job, count) // LEAK_POP
	for i := range queue {
		queue[i] = &job{id: i}
	}
	s.queue = queue
}

func (s *service) work() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.queue) == 0 {
		return
	}
	s.done += s.take().id
}

func (s *service) addShard(id int) {
	shard := make([]*job, shardJobs) // LEAK_CUT
	for i := range shard {
		shard[i] = &job{id: i}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.shards[id%shardsKept] = cut(shard, 10)
}

func (s *service) addRecord(id int) {
	fields := make([]string, fieldsOfOne) // LEAK_STRINGS
	for i := range fields {
		fields[i] = fmt.Sprintf("field %d of record %d, of some length as fields have it, and some more", i, id)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fields[id] = lastOf(fields)
}

// inside calls f in a goroutine of its own, as a request is handled.
func inside(f func()) {
	done := make(chan bool)
	go func() { f(); close(done) }()
	<-done
}

func (s *service) start(how string) {
	switch how {
	case "pop":
		s.fill(backlog)
		for i := 0; i < backlog/5; i++ {
			s.work()
		}
	case "cut":
		for i := 0; i < 20; i++ {
			s.addShard(i)
		}
	case "strings":
		for i := 0; i < 30; i++ {
			s.addRecord(i)
		}
	}
}

func (s *service) handle(how string, i int) {
	s.scratch = make([]byte, 32<<10) // garbage, so that there are collections
	switch {
	case how == "pop":
		s.work()
	case i%(jobsPerSecond/2) > 0:
	case how == "cut":
		s.addShard(i / (jobsPerSecond / 2))
	case how == "strings":
		s.addRecord(-i)
	}
}

func main() {
	busy.Start()
	how := os.Args[1]
	inside(func() { site.start(how) })
	time.AfterFunc(time.Second, func() { fmt.Println("READY") })
	start := time.Now()
	for i := 0; ; i++ {
		inside(func() { site.handle(how, i) })
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * time.Second / jobsPerSecond)))
	}
}
