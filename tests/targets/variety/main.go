// variety: healthy. One goroutine blocked in each way that Go has, some with inlined frames, closures, methods and deep
// stacks. With DUMP=FILE the program writes its own dump of all goroutines there before READY: what a reader from outside
// must agree with.
package main

import (
	"fmt"
	"io/ioutil"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"
	"time"
)

var (
	never    = make(chan int)
	full     = make(chan string, 1)
	nilChan  chan int
	mutex    sync.Mutex
	rwmutex  sync.RWMutex
	group    sync.WaitGroup
	once     sync.Once
	condLock sync.Mutex
	cond     = sync.NewCond(&condLock)

	connections []net.Conn
)

type blocker struct{ name string }

func (b *blocker) receive() { <-never }

func (b blocker) byValue() { <-never }

type waiter interface{ receive() }

// Small enough to be inlined into its caller.
func inlinedReceive(c chan int) int { return <-c }

func inlinedTwice(c chan int) int { return inlinedReceive(c) + 1 }

var sink int

func inlinedCaller() { sink = inlinedTwice(never) }

//go:noinline
func deep(n int) int {
	if n == 0 {
		return <-never
	}
	return deep(n-1) + 1
}

func sendUnbuffered() { never2 := make(chan int); never2 <- 1 }

func sendFull() { full <- "two" }

func receiveNil() { <-nilChan }

func sendNil() { nilChan <- 1 }

func selectSome(a, b chan int) {
	select {
	case <-a:
	case b <- 1:
	}
}

func selectNone() { select {} }

func lockMutex() { mutex.Lock() }

func lockRead() { rwmutex.RLock() }

func lockWrite() { rwmutex.Lock() }

func waitGroup() { group.Wait() }

func waitCond() { cond.L.Lock(); cond.Wait() }

func sleepLong() { time.Sleep(24 * time.Hour) }

func waitTimer() { <-time.NewTimer(24 * time.Hour).C }

func waitTicker() {
	for range time.NewTicker(24 * time.Hour).C {
	}
}

func selectTimeout() {
	select {
	case <-never:
	case <-time.After(24 * time.Hour):
	}
}

func runOnce() { once.Do(func() { <-never }) }

func deferred() {
	defer func() { <-never }()
}

func panicked() {
	defer func() { recover(); <-never }()
	panic("on purpose")
}

func acceptLoop(l net.Listener) {
	for {
		c, err := l.Accept()
		check(err)
		connections = append(connections, c)
	}
}

func readConn(c net.Conn) { c.Read(make([]byte, 1)) }

func blockedSyscall(fd int) { syscall.Read(fd, make([]byte, 1)) }

func lockedThread() { runtime.LockOSThread(); <-never }

func nested() {
	done := make(chan int)
	go func() { go func() { done <- 1 }(); <-never }()
	<-never
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func startNetwork() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	conn, err := net.Dial("tcp", listener.Addr().String())
	check(err)
	go acceptLoop(listener)
	go readConn(conn)
}

func startSyscall() {
	var fds [2]int
	check(syscall.Pipe(fds[:]))
	go blockedSyscall(fds[0])
}

func startAll() {
	full <- "one"
	mutex.Lock()
	rwmutex.Lock()
	group.Add(1)
	b := &blocker{"b"}
	var w waiter = b
	method := b.receive
	for _, f := range []func(){sendUnbuffered, sendFull, receiveNil, sendNil, selectNone, lockMutex, lockRead, waitGroup,
		waitCond, sleepLong, waitTimer, waitTicker, selectTimeout, runOnce, deferred, panicked, lockedThread, nested,
		inlinedCaller} {
		go f()
	}
	go b.receive()
	go b.byValue()
	go w.receive()
	go method()
	go inlinedCaller()
	go inlinedReceive(never)
	go selectSome(never, nilChan)
	go selectSome(nil, nil)
	go deep(40)
	go deep(300)
	go func() { <-never }()
	go func(c chan int) { func() { <-c }() }(never)
	for i := 0; i < 3; i++ {
		go func(n int) { deep(n) }(i)
	}
	go lockWrite()
	startNetwork()
	startSyscall()
}

func dump(path string) {
	buffer := make([]byte, 1<<20)
	check(ioutil.WriteFile(path, buffer[:runtime.Stack(buffer, true)], 0600))
}

func main() {
	startAll()
	time.Sleep(200 * time.Millisecond)
	runtime.GC()
	runtime.GC()
	if path := os.Getenv("DUMP"); path != "" {
		dump(path)
	}
	fmt.Println("READY")
	time.Sleep(24 * time.Hour)
}
