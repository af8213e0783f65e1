// stuck: a burst of 5,000 requests left a goroutine each behind, before READY; none was added since.
package main

import (
	"fmt"
	"runtime"
	"time"
)

const requests = 5000

type batch struct {
	id       int
	timedOut chan struct{}
}

func (b *batch) handle() {
	result := make(chan int)
	go func() { // LEAK rate=0
		b.compute(result)
	}()
	select {
	case <-result:
	case <-time.After(time.Microsecond):
		close(b.timedOut)
	}
}

func (b *batch) compute(result chan int) {
	<-b.timedOut   // always too late: a machine that is busy must not let one through
	result <- b.id // BLOCKED
}

var sink []byte

func main() {
	for i := 0; i < requests; i++ {
		(&batch{i, make(chan struct{})}).handle()
		if i%5 == 0 {
			time.Sleep(4 * time.Millisecond)
		}
	}
	time.Sleep(100 * time.Millisecond)
	runtime.GC() // the runtime notes when it first saw them parked
	fmt.Println("READY")
	for {
		for i := 0; i < 64; i++ {
			sink = make([]byte, 16384)
		}
		time.Sleep(20 * time.Millisecond)
	}
}
