// pool: healthy. 5,000 idle workers wait for jobs on the one channel they share.
package main

import (
	"fmt"
	"runtime"
	"time"
)

const workers = 5000

type pool struct {
	jobs chan func()
}

func (p *pool) work() {
	for job := range p.jobs {
		job()
	}
}

var sink []byte

func main() {
	p := &pool{jobs: make(chan func())}
	for i := 0; i < workers; i++ {
		go p.work()
	}
	time.Sleep(500 * time.Millisecond)
	runtime.GC()
	fmt.Println("READY")
	for {
		p.jobs <- func() { sink = make([]byte, 16384) }
		time.Sleep(10 * time.Millisecond)
	}
}
