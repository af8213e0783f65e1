// leakstack: eight walkers that follow links of a growing graph, a step every few milliseconds, each step one call deeper;
// -tags fixed does it in a loop.
package main

import (
	"fmt"
	"time"

	"gotrace-leak.test/targets/busy"
)

const walkers = 8

type node struct {
	next *node
	note [100]int
}

func step(pace int) {
	time.Sleep(time.Duration(1+pace) * time.Millisecond)
}

func main() {
	busy.Start()
	ring := &node{}
	ring.next = ring
	for i := 0; i < walkers; i++ {
		go walk(ring, 1, i) // each at a pace of its own, so that their stacks double at different times
	}
	time.AfterFunc(4*time.Second, func() { fmt.Println("READY") })
	select {}
}
