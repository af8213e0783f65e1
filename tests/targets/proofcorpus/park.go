// A goroutine parked as gVisor's sleep package does it: by the runtime's own gopark, under a wait reason that is not its
// due, and woken by whoever has its g.
package main

import (
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"unsafe"
)

//go:linkname gopark runtime.gopark
func gopark(unlockf func(g, lock unsafe.Pointer) bool, lock unsafe.Pointer, reason, traceReason uint8, skip int)

//go:linkname goready runtime.goready
func goready(g unsafe.Pointer, skip int)

func init() { correct = append(correct, okParkedItsOwnWay) }

// "select", as the runtime numbers it.
func selectReason() uint8 {
	minor, _ := strconv.Atoi(strings.Split(strings.TrimPrefix(runtime.Version(), "go1."), ".")[0])
	if minor >= 26 {
		return 18
	}
	return 9
}

func keepG(g, lock unsafe.Pointer) bool {
	atomic.StoreUintptr((*uintptr)(lock), uintptr(g))
	return true
}

func okParkedItsOwnWay() {
	g := new(uintptr)
	onRelease(func() {
		for atomic.LoadUintptr(g) == 0 {
			runtime.Gosched()
		}
		parked := atomic.LoadUintptr(g)
		goready(*(*unsafe.Pointer)(unsafe.Pointer(&parked)), 1)
	})
	go waiter(func() { gopark(keepG, unsafe.Pointer(g), selectReason(), 1, 0) })
}
