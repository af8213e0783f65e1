// leakdefer: a worker that never returns and defers the release of what each job takes, 30 jobs a second; -tags fixed puts
// the loop's body into a function of its own.
package main

import (
	"fmt"
	"sync"
	"time"

	"gotrace-leak.test/targets/busy"
)

const jobsPerSecond = 30

type lease struct{ id int }

type pool struct {
	mu   sync.Mutex
	held map[int]*lease
}

func (p *pool) take(id int) *lease {
	p.mu.Lock()
	defer p.mu.Unlock()
	one := &lease{id}
	p.held[id] = one
	return one
}

func (p *pool) release(one *lease) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.held, one.id)
}

// batch defers in a loop as well, but returns.
func (p *pool) batch(n int) {
	for i := 0; i < n; i++ {
		one := p.take(-i - 1)
		defer p.release(one)
	}
	time.Sleep(20 * time.Millisecond)
}

// descend defers once in each of its many calls.
func (p *pool) descend(depth int) int {
	defer p.mu.Unlock()
	p.mu.Lock()
	if depth == 0 {
		return 0
	}
	p.mu.Unlock()
	below := p.descend(depth - 1)
	p.mu.Lock()
	return below + 1
}

func main() {
	busy.Start()
	p := &pool{held: map[int]*lease{}}
	jobs := make(chan int)
	go p.worker(jobs)
	go func() {
		for {
			p.batch(40)
			p.descend(60)
		}
	}()
	time.AfterFunc(2*time.Second, func() { fmt.Println("READY") })
	start := time.Now()
	for i := 0; ; i++ {
		jobs <- i
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * time.Second / jobsPerSecond)))
	}
}
