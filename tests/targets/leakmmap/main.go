// leakmmap: a service that maps scratch memory outside the Go heap for each request, 8 times 256 KiB a second;
// -tags fixed unmaps it.
package main

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"gotrace-leak.test/targets/busy"
)

const (
	requestsPerSecond = 8
	scratchBytes      = 256 << 10
)

func scratch() []byte {
	memory, err := syscall.Mmap(-1, 0, scratchBytes, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
	return memory
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
