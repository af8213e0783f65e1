// proofcorpus: goroutines that leak in every way we could think of, and a correct twin of each, for `prove`.
//
// A shape is a function that starts goroutines and returns. What a function named leak... leaves behind can never run
// again; what one named ok... leaves behind can: on SIGUSR1 all of these end, and the program prints "WOKE N of N". On
// SIGUSR2 it writes the runtime's own profile of leaked goroutines (Go 1.27) into $LEAKPROFILE.
//
// With the argument "motion" other goroutines, named ok... too, wake each other all the time: whatever is read of them
// is about to change.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const instances = 5 // of each shape

type shape func()

var (
	leaking []shape // files add theirs
	correct []shape
	release = make(chan struct{}) // closed on SIGUSR1: whoever can wake the correct ones does so
	waiting int32                 // correct goroutines that have not been woken
	begun   int32
)

// waiter runs f, which blocks until SIGUSR1, as one of the correct goroutines.
func waiter(f func()) {
	atomic.AddInt32(&waiting, 1)
	atomic.AddInt32(&begun, 1)
	f()
	atomic.AddInt32(&waiting, -1)
}

// onRelease runs f on SIGUSR1; what f refers to is held by a goroutine's stack until then.
func onRelease(f func()) {
	go func() {
		<-release
		f()
	}()
}

// scrub overwrites what earlier calls have left on the stack.
//
//go:noinline
func scrub() byte {
	var room [4096]byte
	for i := range room {
		room[i] = byte(i)
	}
	return room[len(os.Args)]
}

func start(shapes []shape) {
	for _, f := range shapes {
		for i := 0; i < instances; i++ {
			started := make(chan struct{})
			go func(f shape) { // a stack of its own: nothing of it stays on ours
				f()
				close(started)
			}(f)
			<-started
		}
	}
}

func wakeAll() {
	close(release)
	for i := 0; i < 500 && atomic.LoadInt32(&waiting) > 0; i++ {
		time.Sleep(10 * time.Millisecond)
		if i%10 == 0 {
			runtime.GC() // finalizers and cleanups are some of those who wake
		}
	}
	fmt.Printf("WOKE %d of %d\n", atomic.LoadInt32(&begun)-atomic.LoadInt32(&waiting), atomic.LoadInt32(&begun))
}

func writeLeakProfile() {
	profile := pprof.Lookup("goroutineleak")
	path := os.Getenv("LEAKPROFILE")
	if profile == nil || path == "" {
		return
	}
	file, err := os.Create(path + ".new")
	if err != nil {
		panic(err)
	}
	if err := profile.WriteTo(file, 2); err != nil {
		panic(err)
	}
	file.Close()
	os.Rename(path+".new", path)
}

func serveSignals() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
	for s := range signals {
		if s == syscall.SIGUSR1 {
			wakeAll()
		} else {
			writeLeakProfile()
		}
	}
}

func main() {
	debug.SetGCPercent(50)
	start(leaking)
	start(correct)
	if len(os.Args) > 1 && os.Args[1] == "motion" {
		startMotion()
	}
	scrub()
	time.Sleep(300 * time.Millisecond)
	for i := 0; i < 3; i++ {
		runtime.GC()
	}
	fmt.Println("READY")
	serveSignals()
}

// kept is what a package variable leads to.
var kept struct {
	sync.Mutex
	channels  []chan int
	byName    map[string]interface{}
	closures  []func()
	locks     []*lock
	groups    []*sync.WaitGroup
	condition []*condition
}

type lock struct {
	name string
	sync.Mutex
	shared sync.RWMutex
	used   [64]int
}

type condition struct {
	sync.Mutex
	cond *sync.Cond
	met  bool
}

func newCondition() *condition {
	c := &condition{}
	c.cond = sync.NewCond(c)
	return c
}

func (c *condition) wait() {
	c.Lock()
	for !c.met {
		c.cond.Wait()
	}
	c.Unlock()
}

func (c *condition) meet() {
	c.Lock()
	c.met = true
	c.Unlock()
	c.cond.Broadcast()
}
