// Goroutines that wake each other all the time, and let go of what the others wait for as soon as they have: when a
// snapshot is taken, some are just being woken.
package main

import (
	"context"
	"sync"
	"time"
)

// Files of newer versions add theirs.
var moving = []shape{okPingPong, okCloseMany, okBroadcast, okHandOver, okContention, okReadWrite, okSelectRace,
	okGroups, okCancel, okAnswers, okTimers, okAllocate}

func startMotion() {
	for i := 0; i < 3; i++ {
		for _, f := range moving {
			go f()
		}
	}
}

// All of it is held by two stacks, of which one always sleeps or runs.
func okPingPong() {
	for {
		c, d := make(chan int), make(chan int)
		go func() {
			for range c {
				d <- 1
			}
			close(d)
		}()
		for i := 0; i < 20; i++ {
			c <- i
			<-d
			if i%5 == 0 {
				time.Sleep(50 * time.Microsecond)
			}
		}
		close(c)
	}
}

func okCloseMany() {
	for {
		c := make(chan struct{})
		for i := 0; i < 30; i++ {
			go func() { <-c }()
		}
		time.Sleep(100 * time.Microsecond)
		close(c)
	}
}

func okBroadcast() {
	for {
		c := newCondition()
		for i := 0; i < 30; i++ {
			go c.wait()
		}
		time.Sleep(100 * time.Microsecond)
		c.meet()
	}
}

func okHandOver() {
	for {
		first := make(chan int)
		previous := first
		for i := 0; i < 40; i++ {
			next := make(chan int)
			go func(in, out chan int) { out <- <-in }(previous, next)
			previous = next
		}
		first <- 1
		<-previous
	}
}

func okContention() {
	for {
		l := &lock{}
		var all sync.WaitGroup
		for i := 0; i < 16; i++ {
			all.Add(1)
			go func() {
				defer all.Done()
				for j := 0; j < 20; j++ {
					l.Lock()
					l.used[j]++
					if j%10 == 0 {
						time.Sleep(20 * time.Microsecond)
					}
					l.Unlock()
				}
			}()
		}
		all.Wait()
	}
}

func okReadWrite() {
	for {
		l := &lock{}
		var all sync.WaitGroup
		for i := 0; i < 12; i++ {
			all.Add(1)
			go func(write bool) {
				defer all.Done()
				for j := 0; j < 20; j++ {
					if write {
						l.shared.Lock()
						time.Sleep(10 * time.Microsecond)
						l.shared.Unlock()
					} else {
						l.shared.RLock()
						time.Sleep(10 * time.Microsecond)
						l.shared.RUnlock()
					}
				}
			}(i%4 == 0)
		}
		all.Wait()
	}
}

func okSelectRace() {
	for {
		a, b, quit := make(chan int), make(chan int, 1), make(chan struct{})
		for i := 0; i < 8; i++ {
			go func() {
				for {
					select {
					case v := <-a:
						_ = v
					case b <- 1:
					case <-quit:
						return
					}
				}
			}()
		}
		for i := 0; i < 50; i++ {
			select {
			case a <- i:
			case <-b:
			}
		}
		close(quit)
	}
}

func okGroups() {
	for {
		g := &sync.WaitGroup{}
		g.Add(10)
		for i := 0; i < 10; i++ {
			go func() { g.Wait() }()
		}
		for i := 0; i < 10; i++ {
			go g.Done()
		}
		time.Sleep(100 * time.Microsecond)
	}
}

func okCancel() {
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
		for i := 0; i < 10; i++ {
			child, cancelChild := context.WithCancel(ctx)
			go func() { <-child.Done(); cancelChild() }()
		}
		<-ctx.Done()
		cancel()
	}
}

func okAnswers() {
	type request struct{ reply chan int }
	for {
		requests := make(chan request)
		go func() {
			for r := range requests {
				go func(r request) { r.reply <- 1 }(r)
			}
		}()
		for i := 0; i < 30; i++ {
			r := request{make(chan int)}
			requests <- r
			<-r.reply
		}
		close(requests)
	}
}

func okTimers() {
	for {
		t := time.NewTimer(200 * time.Microsecond)
		c := make(chan int)
		time.AfterFunc(100*time.Microsecond, func() { close(c) })
		<-c
		<-t.C
	}
}

var garbage []*lock

func okAllocate() {
	for i := 0; ; i++ {
		batch := make([]*lock, 50)
		for j := range batch {
			batch[j] = &lock{}
		}
		garbage = batch
		time.Sleep(50 * time.Microsecond)
	}
}
