//go:build go1.24
// +build go1.24

package main

import (
	"runtime"
	"weak"
)

func init() {
	leaking = append(leaking, leakWeakPointerLost, leakCleanupStopped)
	correct = append(correct, okWeakPointer, okWeakInVariable, okCleanupArgument, okCleanupFunction)
}

type weakly struct {
	c    chan int
	room [3]*int
}

// The waiter itself keeps the object alive; whoever wakes it has a weak pointer only.
func okWeakPointer() {
	object := &weakly{c: make(chan int)}
	pointer := weak.Make(object)
	onRelease(func() { close(pointer.Value().c) })
	go waiter(func() { <-object.c; runtime.KeepAlive(object) })
}

// Nobody has the weak pointer any more either.
func leakWeakPointerLost() {
	object := &weakly{c: make(chan int)}
	_ = weak.Make(object).Value()
	go func() { <-object.c; runtime.KeepAlive(object) }()
}

func leakCleanupStopped() {
	c := make(chan int)
	object := &weakly{}
	runtime.AddCleanup(object, func(c chan int) { close(c) }, c).Stop()
	go func() { <-c; runtime.KeepAlive(object) }()
}

var weakPointers []weak.Pointer[weakly]

func okWeakInVariable() {
	object := &weakly{c: make(chan int)}
	kept.Lock()
	weakPointers = append(weakPointers, weak.Make(object))
	pointer := weakPointers[len(weakPointers)-1]
	kept.Unlock()
	onRelease(func() { close(pointer.Value().c) })
	go waiter(func() { <-object.c; runtime.KeepAlive(object) })
}

func okCleanupArgument() {
	c := make(chan int)
	object := &weakly{}
	runtime.AddCleanup(object, func(c chan int) { close(c) }, c)
	onRelease(func() { runtime.KeepAlive(object) })
	go waiter(func() { <-c })
}

func okCleanupFunction() {
	c := make(chan int)
	object := &weakly{}
	runtime.AddCleanup(object, func(int) { close(c) }, 1)
	onRelease(func() { runtime.KeepAlive(object) })
	go waiter(func() { <-c })
}
