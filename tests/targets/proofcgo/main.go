// proofcgo: as proofcorpus, in a program with C: a channel whose only address is in C's memory, and one that is nowhere.
package main

/*
#include <stdint.h>
#include <stdlib.h>

static uintptr_t **kept;
static int count;

static void keep(uintptr_t address) {
	if (!kept) kept = calloc(100, sizeof *kept);
	kept[count] = malloc(64);
	*kept[count++] = address;
}
static uintptr_t give(int i) { return *kept[i]; }
*/
import "C"

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

const instances = 5

var woken int32

// Against cgo's rules, and yet what the goroutine waits for can be reached: its own stack keeps the channel.
func okHeldByC() {
	c := make(chan int)
	C.keep(C.uintptr_t(*(*uintptr)(unsafe.Pointer(&c))))
	go func() { <-c; atomic.AddInt32(&woken, 1) }()
}

func leakBesideC() {
	c := make(chan int)
	go func() { <-c }()
}

func main() {
	for i := 0; i < instances; i++ {
		for _, f := range []func(){okHeldByC, leakBesideC} {
			done := make(chan struct{})
			go func(f func()) { f(); close(done) }(f)
			<-done
		}
	}
	time.Sleep(200 * time.Millisecond)
	runtime.GC()
	runtime.GC()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	fmt.Println("READY")
	<-signals
	for i := 0; i < instances; i++ {
		address := uintptr(C.give(C.int(i)))
		close(*(*chan int)(unsafe.Pointer(&address)))
	}
	time.Sleep(100 * time.Millisecond)
	fmt.Printf("WOKE %d of %d\n", atomic.LoadInt32(&woken), instances)
	select {}
}
