// benchheap MIB: a heap of about so much that may hold pointers, as a server keeps it (records in a search tree, in maps
// and in lists, most of 30 to 100 bytes), and one goroutine that looks records up and changes them without a rest. A few
// hundred goroutines wait for work.
//
// Reads commands from stdin: `work` answers how many units that goroutine has done since the last `work`, in how many ns,
// and the longest time, in ns, in which it did none.
package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"
)

const (
	perPage     = 1024
	recordBytes = 96 + 32 + 32 + 8 // with its tags, and its places in a map and in a page
	waiters     = 200
)

type tag struct {
	name  string
	next  *tag
	count int
}

type record struct {
	left, right *record
	key         uint64
	name        string
	tags        []*tag
	owner       interface{}
	changed     int64
}

type page struct {
	records [perPage]*record
	byKey   map[uint64]*record
}

var (
	pages []*page
	tree  *record
	tags  [4096]*tag
)

// next is a step of a pseudo-random sequence.
func next(x uint64) uint64 {
	x ^= x << 13
	x ^= x >> 7
	return x ^ x<<17
}

func newRecord(key uint64) *record {
	r := &record{key: key, name: strconv.FormatUint(key, 36)}
	r.tags = append(make([]*tag, 0, 4), tags[key%4096], tags[key>>12%4096], tags[key>>24%4096])
	r.owner = r.tags[0]
	return r
}

func insert(r *record) {
	at := &tree
	for *at != nil {
		if r.key < (*at).key {
			at = &(*at).left
		} else {
			at = &(*at).right
		}
	}
	*at = r
}

func find(key uint64) *record {
	at := tree
	for at != nil && at.key != key {
		if key < at.key {
			at = at.left
		} else {
			at = at.right
		}
	}
	return at
}

// fill makes as many records as take `bytes`; one in 8 is in the tree, too, far from those it leads to.
func fill(bytes int) {
	for i := range tags {
		tags[i] = &tag{name: "tag", next: tags[i/2]}
	}
	key := uint64(88172645463325252)
	for made := 0; made < bytes; made += perPage * recordBytes {
		p := &page{byKey: make(map[uint64]*record, perPage)}
		for i := range p.records {
			key = next(key)
			r := newRecord(key)
			p.records[i], p.byKey[key] = r, r
			if i%8 == 0 {
				insert(r)
			}
		}
		pages = append(pages, p)
	}
}

type tally struct {
	sync.Mutex
	units   int64
	longest time.Duration
}

// serve looks up a record, changes it, and gives one in 16 new tags.
func serve(into *tally) {
	const step = 64
	key, last := uint64(7), time.Now()
	for {
		for i := 0; i < step; i++ {
			key = next(key)
			p := pages[key%uint64(len(pages))]
			r := p.records[key>>32%perPage]
			if found := p.byKey[r.key]; found != r {
				fail("a record is lost")
			}
			if i%8 == 0 {
				find(p.records[key>>32%perPage/8*8].key).changed++
			}
			r.changed++
			r.owner = tags[key>>20%4096]
			if i%16 == 0 {
				r.tags = append(make([]*tag, 0, 4), tags[key>>24%4096])
			}
		}
		now := time.Now()
		gap := now.Sub(last)
		last = now
		into.Lock()
		into.units += step
		if gap > into.longest {
			into.longest = gap
		}
		into.Unlock()
	}
}

func wait(work chan *record) {
	for r := range work {
		r.changed++
	}
}

func fail(text string) {
	fmt.Fprintln(os.Stderr, "benchheap: "+text)
	os.Exit(2)
}

func main() {
	mib, err := 0, error(nil)
	if len(os.Args) == 2 {
		mib, err = strconv.Atoi(os.Args[1])
	}
	if err != nil || mib <= 0 {
		fail("wants MIB")
	}
	debug.SetGCPercent(-1)
	fill(mib << 20)
	debug.SetGCPercent(100)
	runtime.GC()
	work := make(chan *record)
	for i := 0; i < waiters; i++ {
		go wait(work)
	}
	time.Sleep(100 * time.Millisecond)
	var done tally
	go serve(&done)
	fmt.Println("READY")
	begin := time.Now()
	for commands := bufio.NewScanner(os.Stdin); commands.Scan(); {
		if commands.Text() != "work" {
			fail("no such command: " + commands.Text())
		}
		done.Lock()
		now := time.Now()
		fmt.Println(done.units, now.Sub(begin).Nanoseconds(), done.longest.Nanoseconds())
		begin, done.units, done.longest = now, 0, 0
		done.Unlock()
	}
	close(work)
}
