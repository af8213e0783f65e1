// Shapes that leak.
package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"reflect"
	"runtime"
	"sync"
	"syscall"
	"time"
)

func init() {
	leaking = append(leaking,
		leakSend, leakSendFull, leakReceive, leakRange, leakReceiveNil, leakSendNil, leakSelectEmpty, leakSelectNil,
		leakSelectTwo, leakSelectBoth, leakSelectMany, leakReflectSelect, leakMutexForgotten, leakMutexTwice,
		leakRWMutexReader, leakRWMutexWriter, leakRWMutexBehindWriter, leakWaitGroup, leakCond, leakCondTwo,
		leakSemaphoreChannel, leakDeadlockMutexes, leakDeadlockRing, leakDeadlockMixed, leakParentOfStuck, leakPipeline,
		leakContext, leakContextNested, leakContextTimeoutCancelled, leakFirstAnswer, leakGenerator, leakReply,
		leakDoneLost, leakWorkerPool, leakOnce, leakNetPipe, leakIOPipe, leakMapDeleted, leakSyncMapDeleted,
		leakTimerStopped, leakTickerStopped, leakAfterFuncStopped, leakSignalStopped, leakBufferedInside, leakKeepsMemory,
		leakErrorChannel, leakSelfReference, leakHeldByStuck, leakFinalizerCleared, leakCommandOutput, leakConnection,
		leakLocked, leakCondSignalOnce)
}

func leakSend()    { c := make(chan int); go func() { c <- 1 }() }
func leakReceive() { c := make(chan int); go func() { <-c }() }

func leakSendFull() {
	c := make(chan int, 2)
	go func() {
		for i := 0; ; i++ {
			c <- i
		}
	}()
}

func leakRange() {
	c := make(chan string, 4)
	go func() {
		for range c {
		}
	}()
	c <- "a"
	c <- "b"
}

func leakReceiveNil()  { var c chan int; go func() { <-c }() }
func leakSendNil()     { var c chan int; go func() { c <- 1 }() }
func leakSelectEmpty() { go func() { select {} }() }

func leakSelectNil() {
	var a, b chan int
	go func() {
		select {
		case <-a:
		case b <- 1:
		}
	}()
}

func leakSelectTwo() {
	a, b := make(chan int), make(chan string)
	go func() {
		select {
		case <-a:
		case <-b:
		}
	}()
}

func leakSelectBoth() {
	a, b := make(chan int), make(chan int)
	go func() {
		select {
		case v := <-a:
			b <- v
		case b <- 7:
		}
	}()
}

func leakSelectMany() {
	var c [9]chan int
	for i := range c {
		c[i] = make(chan int)
	}
	go func() {
		select {
		case <-c[0]:
		case <-c[1]:
		case <-c[2]:
		case <-c[3]:
		case <-c[4]:
		case <-c[5]:
		case c[6] <- 1:
		case c[7] <- 1:
		case c[8] <- 1:
		}
	}()
}

func leakReflectSelect() {
	cases := []reflect.SelectCase{}
	for i := 0; i < 12; i++ {
		cases = append(cases, reflect.SelectCase{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(make(chan int))})
	}
	go func() { reflect.Select(cases) }()
}

func leakMutexForgotten() {
	l := &lock{}
	l.Lock()
	go func() { l.Lock(); l.Unlock() }()
}

func leakMutexTwice() {
	l := &lock{}
	go func() { l.Lock(); l.Lock() }()
}

func leakRWMutexReader() {
	l := &lock{}
	l.shared.Lock()
	go func() { l.shared.RLock() }()
}

func leakRWMutexWriter() {
	l := &lock{}
	l.shared.RLock()
	go func() { l.shared.Lock() }()
}

func leakRWMutexBehindWriter() {
	l := &lock{}
	l.shared.RLock()
	go func() { l.shared.Lock() }()
	time.Sleep(time.Millisecond)
	go func() { l.shared.RLock() }()
}

func leakWaitGroup() {
	g := &sync.WaitGroup{}
	g.Add(2)
	go func() { g.Wait() }()
	g.Done()
}

func leakCond() {
	c := newCondition()
	go func() { c.wait() }()
}

func leakCondTwo() {
	c := newCondition()
	go func() { c.wait() }()
	go func() { c.wait() }()
	time.Sleep(time.Millisecond)
	c.cond.Signal() // too early: nothing is met, and one waits again
}

func leakSemaphoreChannel() {
	tokens := make(chan struct{}, 1)
	tokens <- struct{}{}
	go func() { tokens <- struct{}{}; <-tokens }()
}

func leakDeadlockMutexes() {
	a, b := &lock{name: "a"}, &lock{name: "b"}
	var both sync.WaitGroup
	both.Add(2)
	go func() { a.Lock(); both.Done(); both.Wait(); b.Lock() }()
	go func() { b.Lock(); both.Done(); both.Wait(); a.Lock() }()
	both.Wait()
}

func leakDeadlockRing() {
	c := [3]chan int{make(chan int), make(chan int), make(chan int)}
	for i := range c {
		go func(from, to chan int) { to <- <-from }(c[i], c[(i+1)%3])
	}
}

func leakDeadlockMixed() {
	l, c := &lock{}, make(chan int)
	var locked sync.WaitGroup
	locked.Add(1)
	go func() { l.Lock(); locked.Done(); c <- 1; l.Unlock() }()
	locked.Wait()
	go func() { l.Lock(); <-c; l.Unlock() }()
}

func leakParentOfStuck() {
	go func() {
		var children sync.WaitGroup
		c := make(chan int)
		children.Add(1)
		go func() { defer children.Done(); <-c }()
		children.Wait()
	}()
}

func leakPipeline() {
	in, middle, out := make(chan int), make(chan int), make(chan int)
	go func() {
		for v := range in {
			middle <- v
		}
		close(middle)
	}()
	go func() {
		for v := range middle {
			out <- v
		}
		close(out)
	}()
	go func() {
		for range out {
		}
	}()
	in <- 1
	in <- 2
}

func leakContext() {
	ctx, cancel := context.WithCancel(context.Background())
	_ = cancel
	go func() { <-ctx.Done() }()
}

func leakContextNested() {
	outer, cancel := context.WithCancel(context.Background())
	inner, cancelInner := context.WithCancel(context.WithValue(outer, leakKey{}, 1))
	_, _ = cancel, cancelInner
	go func() {
		select {
		case <-inner.Done():
		case <-outer.Done():
		}
	}()
}

type leakKey struct{}

func leakContextTimeoutCancelled() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	done := make(chan int)
	go func() { <-ctx.Done(); <-done }()
	cancel()
}

func leakFirstAnswer() {
	answers := make(chan int)
	for i := 0; i < 3; i++ {
		go func(i int) { answers <- i }(i)
	}
	<-answers
}

func leakGenerator() {
	numbers := func() <-chan int {
		c := make(chan int)
		go func() {
			defer close(c)
			for i := 0; ; i++ {
				c <- i
			}
		}()
		return c
	}()
	for v := range numbers {
		if v > 3 {
			break
		}
	}
}

func leakReply() {
	type request struct{ reply chan int }
	requests := make(chan request)
	go func() { r := <-requests; _ = r }()
	go func() {
		r := request{make(chan int)}
		requests <- r
		<-r.reply
	}()
}

func leakDoneLost() {
	done, in := make(chan struct{}), make(chan int)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-in:
			}
		}
	}()
	in <- 1
}

type leakPool struct {
	jobs chan func()
	quit chan struct{}
}

func (p *leakPool) work() {
	for {
		select {
		case job := <-p.jobs:
			job()
		case <-p.quit:
			return
		}
	}
}

func leakWorkerPool() {
	p := &leakPool{make(chan func(), 8), make(chan struct{})}
	for i := 0; i < 3; i++ {
		go p.work()
	}
}

func leakOnce() {
	once := &sync.Once{}
	go func() { once.Do(func() { once.Do(func() {}) }) }()
}

func leakNetPipe() {
	near, far := net.Pipe()
	_ = far
	go func() { near.Read(make([]byte, 1)) }()
}

func leakIOPipe() {
	reader, writer := io.Pipe()
	_ = writer
	go func() { io.ReadFull(reader, make([]byte, 1)) }()
}

func leakMapDeleted() {
	c := make(chan int)
	kept.Lock()
	if kept.byName == nil {
		kept.byName = map[string]interface{}{}
	}
	kept.byName["deleted"] = c
	kept.Unlock()
	go func() { <-c }()
	kept.Lock()
	delete(kept.byName, "deleted")
	kept.Unlock()
}

var leakRegistry sync.Map

func leakSyncMapDeleted() {
	c := make(chan int)
	leakRegistry.Store(1, c)
	go func() { <-c }()
	leakRegistry.Delete(1)
}

func leakTimerStopped() {
	t := time.NewTimer(time.Hour)
	go func() { <-t.C }()
	time.Sleep(time.Millisecond)
	t.Stop()
}

func leakTickerStopped() {
	t := time.NewTicker(time.Hour)
	go func() {
		for range t.C {
		}
	}()
	time.Sleep(time.Millisecond)
	t.Stop()
}

func leakAfterFuncStopped() {
	c := make(chan int)
	t := time.AfterFunc(time.Hour, func() { close(c) })
	go func() { <-c }()
	t.Stop()
}

func leakSignalStopped() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGWINCH)
	go func() { <-c }()
	time.Sleep(time.Millisecond)
	signal.Stop(c)
}

func leakBufferedInside() {
	outer := make(chan chan int, 1)
	inner := make(chan int)
	outer <- inner
	go func() { inner <- 1 }()
	go func() { outer <- nil }()
}

func leakKeepsMemory() {
	c := make(chan []byte)
	data := make([]byte, 256<<10)
	index := map[int][]byte{}
	for i := 0; i < 100; i++ {
		index[i] = data[i*100 : i*100+10]
	}
	go func() { c <- data; _ = index[7] }()
}

func leakErrorChannel() {
	errs := make(chan error)
	fail := func() error { return errors.New("no") }
	for i := 0; i < 2; i++ {
		go func() { errs <- fail() }()
	}
}

func leakSelfReference() {
	type node struct {
		next *node
		c    chan int
	}
	n := &node{c: make(chan int)}
	n.next = n
	go func() { <-n.next.next.c }()
}

func leakHeldByStuck() {
	a, b := make(chan int), make(chan int)
	go func() { <-a; close(b) }()
	go func() { <-b }()
}

// The finalizer that would have woken it was taken back.
func leakFinalizerCleared() {
	c := make(chan int)
	object := &[64]*int{}
	runtime.SetFinalizer(object, func(*[64]*int) { close(c) })
	runtime.SetFinalizer(object, nil)
	go func() { <-c; runtime.KeepAlive(object) }()
}

// Nobody waits for what the command answered.
func leakCommandOutput() {
	output := make(chan []byte)
	go func() {
		bytes, err := exec.Command("/bin/echo", "done").Output()
		if err != nil {
			panic("no echo")
		}
		output <- bytes
	}()
}

// The connection's reader hands on what it reads to nobody, long after the other end has gone.
func leakConnection() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	go func(address string) {
		if connection, err := net.Dial("tcp", address); err == nil {
			connection.Write([]byte("x"))
			connection.Close()
		}
	}(listener.Addr().String())
	connection, err := listener.Accept()
	if err != nil {
		panic(err)
	}
	read := make(chan byte)
	go func() {
		line := make([]byte, 1)
		connection.Read(line)
		connection.Close()
		read <- line[0]
	}()
}

type leakTable struct {
	sync.RWMutex
	rows map[string]int
}

// Takes the lock for writing while it holds it for reading.
func (t *leakTable) upgrade() {
	t.RLock()
	t.Lock()
	t.rows["x"]++
}

func leakLocked() {
	table := &leakTable{rows: map[string]int{}}
	go table.upgrade()
}

// Signal wakes one of two.
func leakCondSignalOnce() {
	c := newCondition()
	done := make(chan struct{})
	for i := 0; i < 2; i++ {
		go func() {
			c.Lock()
			c.cond.Wait()
			c.Unlock()
			done <- struct{}{}
		}()
	}
	time.Sleep(5 * time.Millisecond)
	c.cond.Signal()
	<-done
}
