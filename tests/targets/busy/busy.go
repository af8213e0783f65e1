// Package busy is what a service does beside its leak: work at 500 call sites that allocate, from several goroutines,
// of which a bounded part is kept for a while, and a heap of the size that $HEAP_MB says, with the garbage that goes with
// it. A program that does nothing else is healthy.
package busy

import (
	"math/rand"
	"os"
	"strconv"
	"sync"
	"time"
)

const (
	workers     = 4
	callsAtOnce = 10
	pause       = 20 * time.Millisecond
	keptOfEach  = 4
)

type record struct {
	id    int
	data  []byte
	other *record
}

type state struct {
	mu   sync.Mutex
	kept [][keptOfEach]interface{} // of each call site
	heap []*record
}

var service state

// Start makes the heap and starts the work.
func Start() {
	service.kept = make([][keptOfEach]interface{}, len(sites))
	for i, site := range sites {
		for j := range service.kept[i] {
			service.kept[i][j] = site(i + j)
		}
	}
	if megabytes, _ := strconv.Atoi(os.Getenv("HEAP_MB")); megabytes > 0 {
		service.fill(megabytes)
		go churn(megabytes)
	}
	for i := 0; i < workers; i++ {
		go service.work(rand.New(rand.NewSource(int64(i))))
	}
}

func (s *state) work(random *rand.Rand) {
	for {
		for i := 0; i < callsAtOnce; i++ {
			s.handle(random.Intn(len(sites)), random.Intn(1000))
		}
		time.Sleep(pause)
	}
}

func (s *state) handle(site, n int) {
	s.answer(site, n)
}

func (s *state) answer(site, n int) {
	made := sites[site](n)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[site][n%keptOfEach] = made
}

// A quarter of it are records that point to each other, the rest is what they hold.
func (s *state) fill(megabytes int) {
	const holds = 200
	count := megabytes << 20 / (holds + 8 + 48)
	s.heap = make([]*record, count)
	for i := range s.heap {
		s.heap[i] = &record{id: i, data: make([]byte, holds), other: s.heap[i/2]}
		s.heap[i].data[0] = 1 // or the page would not be resident
	}
}

// A heap of some hundred MB sees a collection every few seconds, as it does in a service.
func churn(megabytes int) {
	const chunk, most = 32 << 10, 64
	if megabytes /= 4; megabytes > most {
		megabytes = most
	}
	perTick := megabytes << 20 / chunk / 20
	var last []byte
	for {
		for i := 0; i <= perTick; i++ {
			last = make([]byte, chunk)
		}
		last[0]++
		time.Sleep(50 * time.Millisecond)
	}
}
