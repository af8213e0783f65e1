// leakelements: a service that reads a batch of 1,024 records for each request and keeps two of them as a part of the
// batch's array, whose other pointers keep the other records. Beside it, as healthy services have them: a queue that sets
// to nil what it gives out, a scratch slice that is filled anew, slices that grow, whole batches in a bounded cache.
// -tags fixed keeps a copy of the part.
package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	"gotrace-leak.test/targets/busy"
)

const batchRecords = 1024

type record struct {
	id   int
	next *record
	data [496]byte
}

type service struct {
	mu      sync.Mutex
	best    map[int][]*record
	whole   [10][]*record
	queue   []*record
	scratch []*record
	grown   []*record
}

var site = &service{best: map[int][]*record{}}

func (s *service) handle(id int) {
	batch := load(id)
	s.rank(id, batch)
}

func load(id int) []*record {
	batch := make([]*record, batchRecords) // LEAK
	for i := range batch {
		batch[i] = &record{id: id*batchRecords + i}
	}
	return batch
}

func (s *service) rank(id int, batch []*record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.best[id] = bestOf(batch)
	if id%7 == 0 {
		s.whole[id/7%len(s.whole)] = batch
		s.grown = append(s.grown, batch[0])
	}
	s.queue = append(s.queue, batch[10:20]...)
	for len(s.queue) > 2000 {
		s.queue[0] = nil
		s.queue = s.queue[1:]
	}
	s.scratch = s.scratch[:0]
	for i := 0; i < 100+id%100; i++ {
		s.scratch = append(s.scratch, &record{id: i})
	}
}

func main() {
	busy.Start()
	batches := 60
	if len(os.Args) > 1 {
		batches, _ = strconv.Atoi(os.Args[1])
	}
	for id := 0; id < batches; id++ {
		site.handle(id)
	}
	fmt.Println("READY")
	for id := batches; ; id++ {
		done := make(chan bool)
		go func() { site.handle(id); close(done) }()
		<-done
		time.Sleep(100 * time.Millisecond)
	}
}
