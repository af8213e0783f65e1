// poolown: healthy. 5,000 idle workers wait for jobs, each on a channel of its own; the pool holds them all in a slice.
package main

import (
	"fmt"
	"runtime"
	"time"
)

const workers = 5000

type worker struct {
	jobs chan func()
	done int
}

type pool struct {
	idle []*worker
	next int
}

func (w *worker) work() {
	for job := range w.jobs {
		job()
		w.done++
	}
}

func (p *pool) start(n int) {
	for i := 0; i < n; i++ {
		w := &worker{jobs: make(chan func())}
		p.idle = append(p.idle, w)
		go w.work()
	}
}

// submit uses the first few workers only, as a pool under light load does: the others stay idle for ever.
func (p *pool) submit(job func()) {
	p.next = (p.next + 1) % 8
	p.idle[p.next].jobs <- job
}

var sink []byte

func main() {
	p := &pool{}
	p.start(workers)
	time.Sleep(500 * time.Millisecond)
	runtime.GC()
	fmt.Println("READY")
	for {
		p.submit(func() { sink = make([]byte, 16384) })
		time.Sleep(10 * time.Millisecond)
	}
}
