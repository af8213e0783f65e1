// leaklist: a service whose requests hang their events on a list, which a worker works off; the worker still has the
// list's head, so that nothing of it is ever freed. Beside it, as healthy services have them: a list in a package
// variable of which a goroutine holds a part, a queue that is worked off, a list that is made, used and dropped, a
// ring. -tags fixed lets go of the head.
package main

import (
	"container/list"
	"container/ring"
	"fmt"
	"sync"
	"time"

	"gotrace-leak.test/targets/busy"
)

const eventsPerSecond = 4000

type event struct {
	next *event
	id   int
	text [4]string
}

type service struct {
	mu     sync.Mutex
	tail   *event
	done   int
	queue  *list.List
	events chan int
}

var site = &service{queue: list.New(), events: make(chan int)}

// history is bounded: what is old is cut off.
var history struct {
	sync.Mutex
	head, tail *event
	length     int
}

func (s *service) handle(id int) {
	s.publish(id)
	s.enqueue(id)
	remember(id)
}

func (s *service) publish(id int) {
	s.events <- id
}

func (s *service) enqueue(id int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.queue.PushBack(id)
	for s.queue.Len() > 2000 {
		s.queue.Remove(s.queue.Front())
	}
}

func remember(id int) {
	history.Lock()
	defer history.Unlock()
	one := &event{id: id}
	if history.tail != nil {
		history.tail.next = one
	} else {
		history.head = one
	}
	history.tail = one
	for history.length++; history.length > 3000; history.length-- {
		history.head = history.head.next
	}
}

// reader holds an event of a list that a package variable has.
func reader(sum chan int) {
	for {
		history.Lock()
		at := history.head
		history.Unlock()
		time.Sleep(2 * time.Second)
		if at != nil {
			sum <- at.id
		}
	}
}

// batches makes lists, and drops them.
func batches(sum chan int) {
	for {
		var head *event
		for i := 0; i < 2000; i++ {
			head = &event{next: head, id: i}
			if i%200 == 0 {
				time.Sleep(10 * time.Millisecond)
			}
		}
		sum <- head.id
	}
}

func rings(sum chan int) {
	at := ring.New(1000)
	for {
		at.Value = 1
		at = at.Next()
		time.Sleep(time.Millisecond)
		if at.Value == nil {
			sum <- 0
		}
	}
}

func main() {
	busy.Start()
	sum := make(chan int)
	go func() {
		for range sum {
		}
	}()
	go reader(sum)
	go batches(sum)
	go rings(sum)
	go consume(site)
	time.AfterFunc(4*time.Second, func() { fmt.Println("READY") })
	start := time.Now()
	for i := 0; ; i++ {
		site.handle(i)
		time.Sleep(time.Until(start.Add(time.Duration(i+1) * time.Second / eventsPerSecond)))
	}
}
