// Correct twins: each waits for something that one thing only leads to, another thing each.
package main

import (
	"context"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"reflect"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

func init() {
	correct = append(correct,
		okVariable, okMap, okClosureInSlice, okStackOfWaiter, okStackOfSleeper, okStackOfReader, okStackOfCommand,
		okStackOfSpinner, okChain, okLongList, okTimerFunction, okTimeAfter, okTimer, okTicker, okFinalizerFunction,
		okFinalizerContents, okFinalizerChain, okContextInVariable, okContextTimeout, okContextChildOfVariable, okMutexHeld,
		okMutexInterior, okMutexInArray, okRWMutexHeld, okRWMutexReadersHeld, okWaitGroupWorking, okWaitGroupInVariable,
		okCondInVariable, okCondHeld, okSelectOneOfMany, okReflectSelect, okSyncMap, okSyncPool, okSignal, okChannelInChannel,
		okMethodValue, okDeferred, okInterface, okNetPipe, okIOPipe, okConnection, okSemaphoreChannel, okLargeObject,
		okSliceCapacity, okRequestReply, okPipeline, okMutexOfConn, okGoroutineArgument)
}

func keep(c chan int) {
	kept.Lock()
	kept.channels = append(kept.channels, c)
	kept.Unlock()
}

func okVariable() {
	c := make(chan int)
	keep(c)
	go waiter(func() { <-c })
	onRelease(closeAll)
}

var closedAll int32

func closeAll() {
	if !atomic.CompareAndSwapInt32(&closedAll, 0, 1) {
		return
	}
	kept.Lock()
	defer kept.Unlock()
	for _, c := range kept.channels {
		close(c)
	}
	for _, v := range kept.byName {
		close(v.(chan int))
	}
	for _, f := range kept.closures {
		f()
	}
	for _, l := range kept.locks {
		l.Unlock()
	}
	for _, g := range kept.groups {
		g.Done()
	}
	for _, c := range kept.condition {
		c.meet()
	}
}

var okNames int32

func okMap() {
	c := make(chan int)
	kept.Lock()
	if kept.byName == nil {
		kept.byName = map[string]interface{}{}
	}
	kept.byName[string(rune('a'+atomic.AddInt32(&okNames, 1)))] = c
	kept.Unlock()
	go waiter(func() { <-c })
}

func okClosureInSlice() {
	c := make(chan int, 1)
	c <- 0
	kept.Lock()
	kept.closures = append(kept.closures, func() { <-c })
	kept.Unlock()
	go waiter(func() { c <- 1 })
}

func okStackOfWaiter() {
	c := make(chan int)
	onRelease(func() { close(c) })
	go waiter(func() { <-c })
}

func released() bool {
	select {
	case <-release:
		return true
	default:
		return false
	}
}

func okStackOfSleeper() {
	c := make(chan int)
	go func() {
		for !released() {
			time.Sleep(3 * time.Millisecond)
		}
		c <- 1
	}()
	go waiter(func() { <-c })
}

func okStackOfReader() {
	c := make(chan int)
	reader, writer, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	onRelease(func() { writer.Close() })
	go func() { reader.Read(make([]byte, 1)); close(c) }()
	go waiter(func() { <-c })
}

func okStackOfCommand() {
	c := make(chan int)
	command := exec.Command("/bin/cat")
	input, err := command.StdinPipe()
	if err != nil || command.Start() != nil {
		panic("no cat")
	}
	onRelease(func() { input.Close() })
	go func() { command.Wait(); close(c) }()
	go waiter(func() { <-c })
}

// At most one runs all the time: there are few processors.
var spinners int32

func okStackOfSpinner() {
	c := make(chan int)
	spin := atomic.AddInt32(&spinners, 1) == 1
	go func() {
		for n := 0; !released(); n++ {
			if !spin {
				time.Sleep(time.Millisecond)
			} else if n%1000 == 0 {
				runtime.Gosched()
			}
		}
		close(c)
	}()
	go waiter(func() { <-c })
}

func okChain() {
	first := make(chan int)
	previous := first
	for i := 0; i < 50; i++ {
		next := make(chan int)
		go func(in, out chan int) { waiter(func() { <-in }); close(out) }(previous, next)
		previous = next
	}
	onRelease(func() { close(first) })
}

func okLongList() {
	type link struct {
		next *link
		c    chan int
	}
	c := make(chan int)
	list := &link{c: c}
	for i := 0; i < 3000; i++ {
		list = &link{next: list}
	}
	onRelease(func() {
		for list.next != nil {
			list = list.next
		}
		close(list.c)
	})
	go waiter(func() { <-c })
}

func okTimerFunction() {
	c := make(chan int)
	var again func()
	again = func() {
		if released() {
			close(c)
		} else {
			time.AfterFunc(20*time.Millisecond, again)
		}
	}
	time.AfterFunc(time.Millisecond, again)
	go waiter(func() { <-c })
}

func okTimeAfter() {
	go waiter(func() {
		for !released() {
			<-time.After(20 * time.Millisecond)
		}
	})
}

func okTimer() {
	go waiter(func() {
		t := time.NewTimer(20 * time.Millisecond)
		for !released() {
			select {
			case <-t.C:
				t.Reset(20 * time.Millisecond)
			case <-make(chan int):
			}
		}
	})
}

func okTicker() {
	t := time.NewTicker(20 * time.Millisecond)
	go waiter(func() {
		for !released() {
			<-t.C
		}
		t.Stop()
	})
}

type finalized struct {
	c    chan int
	room [4]*int
}

// The object dies when the goroutine that holds it lets it go.
func okFinalizerFunction() {
	c := make(chan int)
	object := &finalized{}
	runtime.SetFinalizer(object, func(*finalized) { close(c) })
	onRelease(func() { runtime.KeepAlive(object) })
	go waiter(func() { <-c })
}

func closeFinalized(object *finalized) { close(object.c) }

func okFinalizerContents() {
	object := &finalized{c: make(chan int)}
	runtime.SetFinalizer(object, closeFinalized)
	c := object.c
	onRelease(func() { runtime.KeepAlive(object) })
	go waiter(func() { <-c })
}

// Each time a finalizer runs it sets itself again: nothing but the finalizer holds the object.
func againFinalized(object *finalized) {
	if released() {
		close(object.c)
	} else {
		runtime.SetFinalizer(object, againFinalized)
	}
}

func okFinalizerChain() {
	c := make(chan int)
	runtime.SetFinalizer(&finalized{c: c}, againFinalized)
	go waiter(func() { <-c })
}

func okContextInVariable() {
	ctx, cancel := context.WithCancel(context.Background())
	kept.Lock()
	kept.closures = append(kept.closures, cancel)
	kept.Unlock()
	go waiter(func() { <-ctx.Done() })
}

func okContextTimeout() {
	go waiter(func() {
		for !released() {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
			<-ctx.Done()
			cancel()
		}
	})
}

var rootContext, cancelRoot = context.WithCancel(context.Background())

func okContextChildOfVariable() {
	ctx, cancel := context.WithCancel(context.WithValue(rootContext, leakKey{}, 3))
	onRelease(func() { cancelRoot() })
	go waiter(func() { <-ctx.Done(); cancel() })
}

func okMutexHeld() {
	l := &lock{}
	l.Lock()
	onRelease(func() { l.Unlock() })
	go waiter(func() { l.Lock(); l.Unlock() })
}

// A pointer into the middle of the object is all there is.
func okMutexInterior() {
	l := &lock{}
	l.shared.Lock()
	shared := &l.shared
	onRelease(func() { shared.Unlock() })
	go waiter(func() { shared.RLock(); shared.RUnlock() })
}

func okMutexInArray() {
	locks := make([]lock, 20)
	locks[17].Lock()
	tail := locks[5:]
	onRelease(func() { tail[12].Unlock() })
	go waiter(func() { locks[17].Lock(); locks[17].Unlock() })
}

func okRWMutexHeld() {
	l := &lock{}
	l.shared.Lock()
	onRelease(func() { l.shared.Unlock() })
	go waiter(func() { l.shared.RLock(); l.shared.RUnlock() })
}

func okRWMutexReadersHeld() {
	l := &lock{}
	l.shared.RLock()
	onRelease(func() { l.shared.RUnlock() })
	go waiter(func() { l.shared.Lock(); l.shared.Unlock() })
}

func okWaitGroupWorking() {
	g := &sync.WaitGroup{}
	g.Add(1)
	go func() {
		for !released() {
			time.Sleep(5 * time.Millisecond)
		}
		g.Done()
	}()
	go waiter(func() { g.Wait() })
}

func okWaitGroupInVariable() {
	g := &sync.WaitGroup{}
	g.Add(1)
	kept.Lock()
	kept.groups = append(kept.groups, g)
	kept.Unlock()
	go waiter(func() { g.Wait() })
}

func okCondInVariable() {
	c := newCondition()
	kept.Lock()
	kept.condition = append(kept.condition, c)
	kept.Unlock()
	go waiter(c.wait)
	go waiter(c.wait)
}

func okCondHeld() {
	c := newCondition()
	onRelease(c.meet)
	go waiter(c.wait)
}

func okSelectOneOfMany() {
	var c [12]chan int
	for i := range c {
		c[i] = make(chan int)
	}
	last := c[11]
	onRelease(func() { last <- 1 })
	go waiter(func() {
		select {
		case <-c[0]:
		case <-c[1]:
		case <-c[2]:
		case <-c[3]:
		case <-c[4]:
		case <-c[5]:
		case <-c[6]:
		case <-c[7]:
		case <-c[8]:
		case <-c[9]:
		case <-c[10]:
		case <-c[11]:
		}
	})
}

func okReflectSelect() {
	c := make(chan int)
	cases := []reflect.SelectCase{{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(make(chan int))},
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c)}}
	onRelease(func() { reflect.ValueOf(c).Close() })
	go waiter(func() { reflect.Select(cases) })
}

var okRegistry sync.Map

func okSyncMap() {
	c := make(chan int)
	key := new(int)
	okRegistry.Store(key, c)
	onRelease(func() {
		okRegistry.Range(func(k, v interface{}) bool {
			okRegistry.Delete(k)
			defer func() { recover() }()
			close(v.(chan int))
			return true
		})
	})
	go waiter(func() { <-c })
}

// A pool may lose what it holds at a GC: somebody puts it back.
var okPool sync.Pool

func okSyncPool() {
	c := make(chan int)
	go func() {
		for !released() {
			okPool.Put(c)
			time.Sleep(2 * time.Millisecond)
			okPool.Get()
		}
		close(c)
	}()
	go waiter(func() { <-c })
}

func okSignal() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	go waiter(func() { <-c })
}

func okChannelInChannel() {
	outer := make(chan chan int, 3)
	inner := make(chan int)
	outer <- inner
	onRelease(func() { close(<-outer) })
	go waiter(func() { <-inner })
}

type closer struct{ c chan int }

func (c *closer) close() { close(c.c) }

func okMethodValue() {
	object := &closer{make(chan int)}
	onRelease(object.close)
	go waiter(func() { <-object.c })
}

func okDeferred() {
	c := make(chan int)
	go func() {
		defer close(c)
		<-release
	}()
	go waiter(func() { <-c })
}

type ender interface{ close() }

func okInterface() {
	var object ender = &closer{make(chan int)}
	c := object.(*closer).c
	enders := map[int]ender{3: object}
	onRelease(func() {
		for _, e := range enders {
			e.close()
		}
	})
	go waiter(func() { <-c })
}

func okNetPipe() {
	near, far := net.Pipe()
	onRelease(func() { far.Close() })
	go waiter(func() { near.Read(make([]byte, 1)) })
}

func okIOPipe() {
	reader, writer := io.Pipe()
	onRelease(func() { writer.Close() })
	go waiter(func() { reader.Read(make([]byte, 1)) })
}

func okConnection() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	c := make(chan int)
	go func() { listener.Accept(); close(c) }()
	address := listener.Addr().String()
	onRelease(func() { net.Dial("tcp", address) })
	go waiter(func() { <-c })
}

func okSemaphoreChannel() {
	tokens := make(chan struct{}, 1)
	tokens <- struct{}{}
	onRelease(func() { <-tokens })
	go waiter(func() { tokens <- struct{}{} })
}

func okLargeObject() {
	type large struct {
		room [9000]int
		c    chan int
		more [9000]int
	}
	object := &large{c: make(chan int)}
	c := object.c
	onRelease(func() { close(object.c) })
	go waiter(func() { <-c })
}

// What lies between the length and the capacity of a slice is kept, too.
func okSliceCapacity() {
	c := make(chan int)
	channels := make([]chan int, 100)
	channels[90] = c
	short := channels[:1]
	onRelease(func() { close(short[:cap(short)][90]) })
	go waiter(func() { <-c })
}

func okRequestReply() {
	type request struct{ reply chan int }
	requests := make(chan request, 1)
	onRelease(func() { (<-requests).reply <- 1 })
	go waiter(func() {
		r := request{make(chan int)}
		requests <- r
		<-r.reply
	})
}

func okPipeline() {
	in, middle, out := make(chan int), make(chan int), make(chan int)
	onRelease(func() { close(in) })
	go waiter(func() {
		for v := range in {
			middle <- v
		}
		close(middle)
	})
	go waiter(func() {
		for v := range middle {
			out <- v
		}
		close(out)
	})
	go waiter(func() {
		for range out {
		}
	})
}

// Two readers of one connection: the second waits for the first one's lock.
func okMutexOfConn() {
	reader, writer, err := os.Pipe()
	if err != nil {
		panic(err)
	}
	onRelease(func() { writer.Close() })
	for i := 0; i < 2; i++ {
		go waiter(func() { reader.Read(make([]byte, 1)) })
	}
}

func okGoroutineArgument() {
	c := make(chan int)
	go func(words [3]unsafe.Pointer) {
		<-release
		close(*(*chan int)(unsafe.Pointer(&words[1])))
	}([3]unsafe.Pointer{nil, *(*unsafe.Pointer)(unsafe.Pointer(&c)), nil})
	go waiter(func() { <-c })
}
