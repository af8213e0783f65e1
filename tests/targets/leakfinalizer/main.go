// leakfinalizer: buffers with finalizers that report to a channel; when nobody reads it, the first report blocks the
// goroutine that runs all finalizers. -tags fixed never blocks.
package main

import (
	"fmt"
	"runtime"
	"time"

	"gotrace-leak.test/targets/busy"
)

type buffer struct {
	data [1024]byte
	id   int
}

type accounting struct{ released chan int }

func (a *accounting) make(id int) *buffer {
	one := &buffer{id: id}
	runtime.SetFinalizer(one, a.account)
	return one
}

func main() {
	busy.Start()
	a := &accounting{released: make(chan int)}
	time.AfterFunc(3*time.Second, func() { fmt.Println("READY") })
	for i := 0; ; i++ {
		a.make(i).data[0]++
		time.Sleep(2 * time.Millisecond)
		if i%100 == 99 {
			go func() { _ = make([]byte, 8<<20)[i] }() // so that garbage is collected
		}
	}
}
