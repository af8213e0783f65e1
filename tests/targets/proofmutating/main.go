// proofmutating: goroutines that leaked, and correct ones that wait for channels which are moved about in the heap all the
// time: each is held by one slot only, and a picture of memory of two moments has some of them nowhere. Memory is given
// back to the kernel and taken again meanwhile.
package main

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"time"
)

const (
	leaked  = 40
	waiting = 100
	still   = 24 << 20 / 64 // slots that are not written to
	moving  = 4 << 20 / 64  // and slots that are
)

type slot struct { // 64 bytes
	channel chan int
	next    *slot
	rest    [6]int
}

var kept []*slot

//go:noinline
func leakSend() {
	c := make(chan int)
	go func() { c <- 1 }()
}

//go:noinline
func leakReceive() {
	c := make(chan int)
	go func() { <-c }()
}

func okMoved(slots []slot) {
	for i := 0; i < waiting; i++ {
		c := make(chan int)
		slots[i].channel = c
		go func() { <-c }()
	}
}

// Moves all channels to other slots, one at a time, as fast as it can.
func move(slots []slot) {
	for at, x := 0, uint32(1); ; at = (at + 1) % len(slots) {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		to := int(x) % len(slots)
		slots[at].channel, slots[to].channel = slots[to].channel, slots[at].channel
		slots[at].next = &slots[to]
		if at%1024 == 0 {
			runtime.Gosched()
		}
	}
}

func giveBack() {
	for {
		block := make([]*slot, 1<<19)
		for i := 0; i < len(block); i += 512 {
			block[i] = kept[i%len(kept)]
		}
		kept[0].next = block[512]
		block = nil
		debug.FreeOSMemory()
		time.Sleep(300 * time.Millisecond)
	}
}

func main() {
	for i := 0; i < still; i++ {
		kept = append(kept, &slot{rest: [6]int{i}})
	}
	done := make(chan bool)
	go func() { // whose stack goes with what it has of them
		for i := 0; i < leaked/2; i++ {
			leakSend()
			leakReceive()
		}
		done <- true
	}()
	<-done
	slots := make([]slot, moving)
	okMoved(slots)
	go move(slots)
	go giveBack()
	time.AfterFunc(time.Second, func() { fmt.Println("READY") })
	select {}
}
