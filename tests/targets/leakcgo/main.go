// leakcgo: a service that copies each request's name into C memory, 40 times 64 KiB a second; -tags fixed frees it.
// Needs cgo and a C compiler.
package main

// #include <stdlib.h>
// #include <string.h>
// static char *copy_of(size_t size) { char *p = malloc(size); memset(p, 1, size); return p; }
import "C"

import (
	"fmt"
	"time"
	"unsafe"

	"gotrace-leak.test/targets/busy"
)

const (
	requestsPerSecond = 40
	bytesPerRequest   = 64 << 10
)

func copyName() *C.char { return C.copy_of(bytesPerRequest) }

func free(p *C.char) { C.free(unsafe.Pointer(p)) }

func main() {
	busy.Start()
	time.AfterFunc(3*time.Second, func() { fmt.Println("READY") })
	start := time.Now()
	for i := 0; ; i++ {
		handle()
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * time.Second / requestsPerSecond)))
	}
}
