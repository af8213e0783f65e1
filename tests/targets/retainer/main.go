// retainer: who holds what is known. A package variable has a map of 48 MiB, a goroutine that sleeps 12 MiB in a local
// variable, a timer 6 MiB, goroutines that are stuck for good 8 MiB, sessions 8 MiB, and 16 MiB hang on two variables.
// Prints the address of an entry of the map, of a session, and of garbage.
package main

import (
	"fmt"
	"runtime"
	"time"
	"unsafe"
)

const (
	mib        = 1 << 20
	entryBytes = 8 << 10
)

type entry struct {
	next *entry
	data []byte
}

type session struct { // large enough that the runtime notes its type
	links [120]*entry
	data  []byte
}

var (
	cache    = map[int]*entry{}
	sessions []*session
	first    []*entry
	second   []*entry
)

//go:noinline
func newEntry(bytes int) *entry { return &entry{data: make([]byte, bytes)} }

//go:noinline
func fill() {
	for i := 0; i < 48*mib/entryBytes; i++ {
		cache[i] = newEntry(entryBytes)
	}
	for i := 0; i < 16*mib/entryBytes; i++ {
		shared := newEntry(entryBytes)
		first = append(first, shared)
		second = append(second, shared)
	}
	for i := 0; i < 4; i++ {
		sessions = append(sessions, &session{data: make([]byte, 2*mib)})
	}
}

//go:noinline
func arm() {
	late := newEntry(6 * mib)
	time.AfterFunc(time.Hour, func() { runtime.KeepAlive(late) })
}

//go:noinline
func garbage() uintptr {
	dropped := newEntry(64 << 10)
	return uintptr(unsafe.Pointer(dropped))
}

//go:noinline
func sleeper() {
	buffer := make([]*entry, 0, 12)
	for i := 0; i < 12; i++ {
		buffer = append(buffer, newEntry(mib))
	}
	time.Sleep(time.Hour)
	runtime.KeepAlive(buffer)
}

//go:noinline
func stuck() {
	work := newEntry(mib)
	<-make(chan int)
	runtime.KeepAlive(work)
}

func main() {
	fill()
	go sleeper()
	for i := 0; i < 8; i++ {
		go stuck()
	}
	arm()
	time.Sleep(200 * time.Millisecond)
	fmt.Printf("READY\n%#x %#x %#x\n", unsafe.Pointer(cache[7]), unsafe.Pointer(sessions[2]), garbage())
	time.Sleep(time.Hour)
}
