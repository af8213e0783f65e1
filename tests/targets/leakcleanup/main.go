// leakcleanup: leakfinalizer with runtime.AddCleanup, which has goroutines of its own from Go 1.25 on (and so needs it).
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
	runtime.AddCleanup(one, a.account, id)
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
