// leaksyscall: a service that reads from a pipe of its own for each request, 6 a second, by a system call that blocks its
// thread; nobody writes to it. -tags fixed closes the other end.
package main

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"gotrace-leak.test/targets/busy"
)

const requestsPerSecond = 6

func pipe() (int, int) {
	var ends [2]int
	if err := syscall.Pipe(ends[:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return ends[0], ends[1]
}

func main() {
	busy.Start()
	time.AfterFunc(3*time.Second, func() { fmt.Println("READY") })
	start := time.Now()
	for i := 0; ; i++ {
		handle()
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * time.Second / requestsPerSecond)))
	}
}
