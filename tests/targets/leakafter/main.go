// leakafter: a client registry where each client re-arms its own refresh by time.AfterFunc for ever, 10 new ones a second;
// -tags fixed ends it with the client.
package main

import (
	"fmt"
	"time"

	"gotrace-leak.test/targets/busy"
)

const clientsPerSecond = 10

type client struct {
	id     int
	closed bool
	calls  int
}

func serve(id int) {
	one := &client{id: id}
	one.arm()
	time.AfterFunc(400*time.Millisecond, func() { one.closed = true })
}

// every calls f `rate` times a second by the wall clock, for ever.
func every(rate int, f func(i int)) {
	start := time.Now()
	for i := 0; ; i++ {
		f(i)
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * time.Second / time.Duration(rate))))
	}
}

func main() {
	busy.Start()
	time.AfterFunc(2*time.Second, func() { fmt.Println("READY") })
	every(clientsPerSecond, serve)
}
